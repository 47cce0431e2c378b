import type { ClientState, SSEEvent } from "../index.js";
import { type Latest } from "./options.js";
import { type Hold, hold } from "./pool.js";

/** What a component shows. Never changed: another takes its place. */
export interface Snapshot<E> {
  readonly state: ClientState;
  readonly events: readonly SSEEvent<E>[];
  readonly lastEvent: SSEEvent<E> | null;
}

const IDLE: ClientState = Object.freeze({
  status: "idle",
  clientId: null,
  userId: null,
  sessionId: null,
  lastEventId: "",
  attempts: 0,
  error: null,
  role: "single",
});

// Without an event in it, it is one of whatever events.
const EMPTY: Snapshot<any> = Object.freeze({ state: IDLE, events: Object.freeze([]), lastEvent: null });

/** What a connection gives one component: an external store for `useSyncExternalStore`, and the component's callbacks. */
export class Feed<E> {
  readonly #key: string;
  readonly #latest: Latest<E>;
  #snapshot: Snapshot<E> = EMPTY;
  /** Since the snapshot, oldest first. */
  #arrived: SSEEvent<E>[] = [];
  #hold: Hold<E> | undefined;
  #listener: (() => void) | undefined;
  #due = false;
  /** Whether `onConnect` was called, and `onDisconnect` not yet. */
  #told = false;

  constructor(key: string, latest: Latest<E>) {
    this.#key = key;
    this.#latest = latest;
  }

  /** What a server renders, and what the browser takes over from it. */
  readonly serverSnapshot = (): Snapshot<E> => EMPTY;

  readonly snapshot = (): Snapshot<E> => this.#snapshot;

  /** Takes hold of the connection as long as somebody listens. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const held = hold(this.#key, this.#latest);
    const { client } = held;
    this.#hold = held;
    this.#listener = listener;
    const ends = [
      client.onOpen(() => this.#tellOpen()),
      client.onClose(() => this.#tellClosed()),
      client.onError((error) => this.#latest.current.onError?.(error)),
      client.onReset((reset) => {
        this.#tellOpen();
        this.#latest.current.onReset?.(reset);
      }),
      client.onEvent((event) => this.#receive(event)),
      client.subscribe(() => this.#soon()),
    ];
    // The connection may be open already.
    this.#soon();
    return () => {
      for (const end of ends) end();
      this.#hold = undefined;
      this.#listener = undefined;
      held.release();
      // How it stood is over: whoever listens next must not see it before the connection says how it stands.
      if (this.#snapshot.state !== IDLE) this.#snapshot = { ...this.#snapshot, state: IDLE };
      this.#tellClosed();
    };
  };

  readonly clear = (): void => {
    this.#arrived = [];
    this.#snapshot = { ...this.#snapshot, events: [], lastEvent: null };
    this.#listener?.();
  };

  /** Makes the connection anew, from where it stands. */
  readonly reconnect = (): void => {
    this.#hold?.client.close();
    this.#hold?.client.connect();
  };

  #receive(event: SSEEvent<E>): void {
    this.#arrived.push(event);
    this.#soon();
    this.#tellOpen();
    this.#latest.current.onEvent?.(event);
  }

  /** A burst that comes in one piece costs one snapshot and one render. */
  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#renew();
      this.#tellOpen();
    });
  }

  #renew(): void {
    const state = this.#hold?.client.getState() ?? this.#snapshot.state;
    const arrived = this.#arrived;
    if (state === this.#snapshot.state && arrived.length === 0) return;
    this.#arrived = [];
    const { events, lastEvent } = this.#snapshot;
    this.#snapshot = {
      state,
      events: arrived.length === 0 ? events : newest([...events, ...arrived], this.#latest.current.maxEvents),
      lastEvent: arrived.at(-1) ?? lastEvent,
    };
    this.#listener?.();
  }

  /** Whoever joins an open connection is told as if it had opened then, and in any case before its first event. */
  #tellOpen(): void {
    const state = this.#hold?.client.getState();
    if (this.#told || state?.status !== "open") return;
    this.#told = true;
    guarded(() => this.#latest.current.onConnect?.(state));
  }

  #tellClosed(): void {
    if (!this.#told) return;
    this.#told = false;
    guarded(() => this.#latest.current.onDisconnect?.());
  }
}

export function newest<T>(events: readonly T[], max = 100): readonly T[] {
  const limit = Math.max(0, max);
  return events.length <= limit ? events : events.slice(events.length - limit);
}

/** A callback that throws keeps nothing else from being done. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}
