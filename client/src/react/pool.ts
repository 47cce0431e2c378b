import { FanfareClient, type SSEEvents } from "../index.js";
import { connectionOptions, type Latest } from "./options.js";

/** One connection, and the components that hold it. */
interface Shared {
  readonly client: FanfareClient<SSEEvents>;
  readonly holders: Set<Latest<SSEEvents>>;
  closing: ReturnType<typeof setTimeout> | undefined;
}

/** A component's hold on a connection. */
export interface Hold<E> {
  readonly client: FanfareClient<E>;
  /** Idempotent. The connection is closed once nobody has held it for the rest of the turn. */
  release(): void;
}

const pool = new Map<string, Shared>();

/** Takes hold of the connection with that key, which the first to hold it opens. */
export function hold<E>(key: string, latest: Latest<E>): Hold<E> {
  // The pool knows a client by its connection; what its events are called is between the component and the server.
  const holder = latest as unknown as Latest<SSEEvents>;
  const shared = pool.get(key) ?? open(key, holder);
  clearTimeout(shared.closing);
  shared.closing = undefined;
  shared.holders.add(holder);

  const { status } = shared.client.getState();
  // One that has given up is tried again for the sake of whoever joins.
  if (status === "idle" || status === "closed" || status === "failed") shared.client.connect();
  return {
    client: shared.client as unknown as FanfareClient<E>,
    release: () => {
      if (shared.holders.delete(holder) && shared.holders.size === 0) closeSoon(key, shared);
    },
  };
}

function open(key: string, first: Latest<SSEEvents>): Shared {
  const options = connectionOptions(first.current);
  const holders = new Set<Latest<SSEEvents>>();
  if (typeof options.token === "function") {
    // Asked of a component that is still there: the closure of one that is gone may know nothing but an old login.
    options.token = () => {
      const token = [...holders].at(-1)?.current.token;
      return typeof token === "function" ? token() : (token ?? null);
    };
  }
  // Whoever joins later may want events whose names are not known yet, which `EventSource` cannot give.
  if ((options.transport ?? "auto") === "auto") options.transport = "fetch";
  const shared: Shared = { client: new FanfareClient(options), holders, closing: undefined };
  pool.set(key, shared);
  return shared;
}

/** Not at once: StrictMode and a change of page let go and take hold again within one turn. */
function closeSoon(key: string, shared: Shared): void {
  clearTimeout(shared.closing);
  shared.closing = setTimeout(() => {
    pool.delete(key);
    shared.client.close();
  });
}

/** How many connections components share now, or shared a moment ago. */
export function connections(): number {
  return pool.size;
}
