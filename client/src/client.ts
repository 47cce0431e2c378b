import type { SSEEvent, SSEEvents, SSEReset } from "./events.js";
import { type ClientOptions, type ClientState, SSEError, streamUrl } from "./options.js";
import { Position } from "./position.js";
import { canShare, type Parcel, Tabs } from "./tabs.js";
import { type Close, type NativeStream, openEventSource, openFetch, type StreamSink } from "./transport.js";

type Handler = (value: any) => void;
type Timer = ReturnType<typeof setTimeout>;

/** What the server says of a stream in a `connection` event. */
interface Word {
  readonly status?: "connected" | "refused" | "draining";
  readonly clientId?: string | null;
  readonly userId?: string | null;
  readonly sessionId?: string | null;
  readonly recovered?: boolean;
  readonly reason?: string;
}

/** Events that `EventSource` is asked for without a handler. */
const BUILT_IN = ["message", "notification", "announcement", "update", "progress", "ping", "connection"];
/** What happens to the page and to the network; `visibilitychange` and `resume` bubble from the document. */
const NOTICED = ["focus", "online", "pagehide", "pageshow", "resume", "visibilitychange"];
const NOT_OPEN = { clientId: null, userId: null, sessionId: null } as const;

/**
 * A stream of a fanfare server that is kept open: it comes back by itself where it was, each event is dispatched once and in
 * order, and a gap is told to `onReset`.
 */
export class FanfareClient<E = SSEEvents> {
  readonly #options: ClientOptions;
  readonly #position: Position;
  readonly #handlers = new Map<string, Set<Handler>>();
  #state: ClientState;
  /** Counts what was begun, so that what comes late from something older is told apart. */
  #run = 0;
  #stream: Close | undefined;
  #native: NativeStream | undefined;
  #tabs: Tabs | undefined;
  /** The server's `retry`. */
  #retry = 0;
  #timer: Timer | undefined;
  #watchdog: Timer | undefined;
  #hidden: Timer | undefined;
  /** When another stream is overdue, in unix time: timers stand still while a machine sleeps, and are late in a page that nobody sees. */
  #overdue = Infinity;
  /** The server said that this stream ends: its `retry` was drawn for this client alone, and is kept to. */
  #drawn = false;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    const { persist } = options;
    const key = persist === true ? `fanfare:${streamUrl(options)}` : persist || undefined;
    this.#position = new Position(options.lastEventId ?? "", key);
    const lastEventId = this.#position.id;
    this.#state = { status: "idle", ...NOT_OPEN, lastEventId, attempts: 0, error: null, role: "single" };
  }

  /** Opens the stream, and keeps it open. Nothing more if that is so already. */
  connect(): void {
    if (!["idle", "closed", "failed", "paused"].includes(this.#state.status)) return;
    const run = ++this.#run;
    this.#set({ status: "connecting", attempts: 0, error: null });
    // Handlers that are added in this turn miss nothing, and have a say in how the stream is opened.
    queueMicrotask(() => run === this.#run && this.#begin());
  }

  /** Ends the stream, until `connect()`. */
  close(): void {
    if (this.#state.status !== "idle") this.#stop({ status: "closed" });
  }

  /** Calls `handler` for each event of one type. All of these return what undoes them. */
  on<K extends keyof E>(type: K, handler: (event: SSEEvent<E, K>) => void): () => void {
    this.#native?.listen(String(type));
    return this.#add(`:${String(type)}`, handler);
  }

  /** Calls `handler` for every event of the application: not for `connection` and `ping`. */
  onEvent(handler: (event: SSEEvent<E>) => void): () => void {
    const end = this.#add("event", handler);
    // `EventSource` hears only names that it is told.
    if (this.#native && !this.#isNative()) void this.#open();
    return end;
  }

  /** Calls `handler` when events were missed: before those that follow. */
  onReset(handler: (reset: SSEReset) => void): () => void {
    return this.#add("reset", handler);
  }

  onOpen(handler: (state: ClientState) => void): () => void {
    return this.#add("open", handler);
  }

  onClose(handler: (state: ClientState) => void): () => void {
    return this.#add("close", handler);
  }

  /** Calls `handler` for each attempt that fails, and each stream that is lost. */
  onError(handler: (error: SSEError) => void): () => void {
    return this.#add("error", handler);
  }

  getState(): ClientState {
    return this.#state;
  }

  /** Calls `listener` when `getState()` has changed: not for each event, of which `lastEventId` tells. */
  subscribe(listener: () => void): () => void {
    return this.#add("state", listener);
  }

  #add(name: string, handler: Handler): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  #emit(name: string, value?: unknown): void {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      try {
        handler(value);
      } catch (error) {
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  #set(changes: Partial<ClientState>): void {
    const before = this.#state;
    this.#state = { ...before, ...changes };
    if (this.#tabs?.leads) this.#tabs.state();
    const { status } = this.#state;
    this.#emit("state");
    if (status === before.status) return;
    if (status === "open") this.#emit("open", this.#state);
    if (before.status === "open") this.#emit("close", this.#state);
  }

  /** Alone, or as one of several tabs. */
  #begin(): void {
    this.#watch(true);
    if (!this.#options.shareTabs || !canShare()) {
      void this.#open();
      return;
    }
    const { shareTabs, token, headers, withCredentials } = this.#options;
    // With the address, all that says who this is; of a function only that there is one.
    const identity = JSON.stringify([shareTabs, token, typeof token, headers, withCredentials]);
    this.#tabs = new Tabs(`fanfare:${streamUrl(this.#options)} ${identity}`, this.#position, {
      lead: () => void this.#open({ role: "leader" }),
      wake: () => this.#wake(),
      state: () => {
        const { error, ...state } = this.#state;
        return { ...state, error: error && [error.message, error.status, error.final, error.wait] };
      },
      follow: (told) => {
        if (!this.#position.id) this.#position.moveTo(told.lastEventId);
        const error = told.error && new SSEError(...told.error);
        // It may be told more than once.
        const isNew = told.status === "waiting" && told.attempts !== this.#state.attempts;
        this.#set({ ...told, error, lastEventId: this.#position.id, role: "follower" });
        if (isNew) this.#emit("error", error);
      },
      reset: (reset) => this.#reset(reset),
      event: (parcel) => this.#take(parcel),
    });
    this.#set({ role: "follower" });
  }

  async #open(changes: Partial<ClientState> = {}): Promise<void> {
    this.#cut();
    const run = this.#run;
    this.#position.begin();
    // From here on, since a token may never come.
    this.#feed();
    this.#set({ status: "connecting", ...NOT_OPEN, ...changes });
    const { token, headers, withCredentials = false } = this.#options;
    const sink: StreamSink = {
      // A handler may end the stream in the midst of what came in one piece: the rest of that is none of it.
      alive: () => run === this.#run && this.#feed(),
      message: (...message) => run === this.#run && this.#message(...message),
      retry: (ms) => {
        this.#retry = ms;
      },
      end: (error, returns) => this.#lost(error, returns),
    };
    try {
      const bearer = typeof token === "function" ? await token() : token;
      if (run !== this.#run) return;
      const { id } = this.#position;
      if (this.#isNative()) {
        const url = streamUrl(this.#options, { lastEventId: id, access_token: bearer });
        this.#native = openEventSource(url, withCredentials, sink);
        for (const type of BUILT_IN) this.#native.listen(type);
        for (const key of this.#handlers.keys()) if (key[0] === ":") this.#native.listen(key.slice(1));
        this.#stream = this.#native.close;
        return;
      }
      const fields = new Headers({ Accept: "text/event-stream", ...headers });
      if (bearer) fields.set("Authorization", `Bearer ${bearer}`);
      if (id) fields.set("Last-Event-ID", octets(id));
      const credentials = withCredentials ? "include" : "same-origin";
      this.#stream = openFetch(streamUrl(this.#options), { headers: fields, credentials }, sink);
    } catch (error) {
      // No token, or an address or a field that is none.
      if (run === this.#run) this.#lost(new SSEError(`not asked: ${error}`));
    }
  }

  #isNative(): boolean {
    const { transport = "auto", token, headers } = this.#options;
    if (transport === "fetch" || !globalThis.EventSource) return false;
    return transport === "eventsource" || !(token || headers || this.#tabs || this.#handlers.get("event")?.size);
  }

  #message(type: string, text: string, id: string | undefined): void {
    if (type === "connection") this.#hear(Object(parse(text)) as Word, id);
    else if (type !== "ping" || id !== undefined) {
      // Of a server that says no word first.
      if (this.#state.status !== "open") this.#opened({});
      // A heartbeat is no event, but another server's may have an id.
      this.#take(type === "ping" ? ["", "", id] : [type, text, id]);
    }
  }

  /** A word of the server about this stream. */
  #hear(word: Word, id: string | undefined): void {
    this.#drawn = word.status !== "connected";
    if (this.#drawn) return;
    const isLost = this.#position.id !== "" && word.recovered === false;
    this.#position.moveTo(id);
    const reset = { reason: word.reason ?? "unknown", lastEventId: this.#position.id };
    // A position of its own, which other tabs may come back to.
    this.#tabs?.event(["", "", id]);
    this.#opened(word);
    if (isLost) {
      this.#tabs?.reset(reset);
      this.#reset(reset);
    }
  }

  #opened({ clientId = null, userId = null, sessionId = null }: Word): void {
    const lastEventId = this.#position.id;
    this.#set({ status: "open", clientId, userId, sessionId, lastEventId, attempts: 0, error: null });
  }

  #reset(reset: SSEReset): void {
    this.#position.moveTo(reset.lastEventId);
    this.#set({ lastEventId: this.#position.id });
    this.#emit("reset", reset);
  }

  #take(parcel: Parcel): void {
    const [type, text, id] = parcel;
    if (this.#position.isNew(id, text)) {
      this.#tabs?.event(parcel);
      const event = { type, data: parse(text), text, id: id ?? this.#position.id };
      for (const name of type ? [`:${type}`, "event"] : []) this.#emit(name, event);
    }
    this.#position.moveTo(id, text);
    // Without telling everyone: whoever looks sees it, and an event is no change of the connection.
    this.#state = { ...this.#state, lastEventId: this.#position.id };
  }

  /** The stream is over, or was none. `returns`: the browser makes another by itself. */
  #lost(error: SSEError, returns = false): void {
    if (!returns) this.#cut();
    this.#position.begin();
    // Kept to alone where it is one that a server draws: less than a second would be no rest at all.
    const drawn = this.#drawn && this.#retry >= 1000;
    this.#drawn = false;
    const { token, maxReconnectAttempts = Infinity } = this.#options;
    const isTokens = [401, 403].includes(error.status) && typeof token === "function";
    const attempts = this.#state.attempts + 1;
    const isOver = error.status === 204 || (error.final && !isTokens) || attempts > maxReconnectAttempts;
    if (isOver) {
      this.#stop({ status: error.status === 204 ? "closed" : "failed", error, attempts });
      this.#emit("error", error);
      return;
    }
    const run = this.#run;
    this.#set({ status: "waiting", error, attempts, ...NOT_OPEN });
    this.#emit("error", error);
    if (returns || run !== this.#run || this.#state.status !== "waiting") return;
    const { reconnectInterval = 3000, maxReconnectInterval = 30000 } = this.#options;
    // What the server asks for is waited out. On top of it full jitter, so that those who lost their server together do not
    // return together.
    const jitter = Math.random() * Math.min(maxReconnectInterval, reconnectInterval * 2 ** (attempts - 1));
    const wait = Math.max(this.#retry + (drawn ? 0 : jitter), error.wait);
    const due = Date.now() + wait;
    // What was lost in the machine's sleep need not wait further once it is awake, unless the server asked for it.
    this.#overdue = drawn || error.wait ? due : Math.min(due, this.#overdue);
    this.#timer = later(() => this.#wake(true), wait);
  }

  /** Opens anew what is due, unless there is no network: then `online` does. A follower's leader does it for all. */
  #wake(isDue = Date.now() >= this.#overdue): void {
    if (this.#state.role === "follower") this.#tabs?.wake();
    else if (isDue && globalThis.navigator?.onLine !== false) void this.#open();
  }

  /** Ends what is under way of one stream. */
  #cut(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#stream?.();
    this.#stream = this.#native = undefined;
    this.#run++;
  }

  #stop(changes: Partial<ClientState>): void {
    this.#watch(false);
    this.#leave(changes);
  }

  /** Ends the stream, and leaves the other tabs theirs. */
  #leave(changes: Partial<ClientState>): void {
    this.#cut();
    this.#overdue = Infinity;
    this.#position.save();
    const tabs = this.#tabs;
    this.#tabs = undefined;
    this.#set({ ...NOT_OPEN, role: "single", ...changes });
    tabs?.close();
  }

  /** The stream is alive: whoever watches it has to wait again. */
  #feed(): void {
    const { heartbeatTimeout = 75000 } = this.#options;
    clearTimeout(this.#watchdog);
    this.#overdue = Infinity;
    if (heartbeatTimeout > 0) {
      this.#overdue = Date.now() + heartbeatTimeout / 2;
      this.#watchdog = later(() => this.#lost(new SSEError("the stream went silent")), heartbeatTimeout);
    }
  }

  /** Follows what becomes of the page and of the network. */
  #watch(on: boolean): void {
    const change = on ? "addEventListener" : "removeEventListener";
    for (const name of NOTICED) globalThis[change]?.(name, this.#notice);
    clearTimeout(this.#hidden);
    // It may be hidden from the start.
    if (on) this.#look();
  }

  readonly #notice = ({ type }: Event): void => {
    if (type === "pagehide") this.#pause();
    else if (type === "visibilitychange") this.#look();
    else {
      if (type === "pageshow") this.#resume();
      this.#wake((type === "online" && this.#state.status === "waiting") || undefined);
    }
  };

  /** Looks whether anybody sees the page. */
  #look(): void {
    const { pauseWhenHidden = 0 } = this.#options;
    clearTimeout(this.#hidden);
    if (!globalThis.document?.hidden) {
      this.#resume();
      this.#wake();
    } else if (pauseWhenHidden > 0) this.#hidden = later(() => this.#pause(), pauseWhenHidden);
  }

  /** A page in the back-forward cache has no connection, and one that nobody sees need not have one. */
  #pause(): void {
    if (this.#state.status !== "paused") this.#leave({ status: "paused" });
  }

  #resume(): void {
    if (this.#state.status === "paused") this.connect();
  }
}

/** As `setTimeout`, for which a time longer than it knows, as `Infinity`, is none at all. */
function later(action: () => void, ms: number): Timer {
  return setTimeout(action, Math.min(ms, 2 ** 31 - 1));
}

/** The text's UTF-8 octets, one a character: all that a header field can hold, and what browsers send of an id. */
function octets(text: string): string {
  return Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join("");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
