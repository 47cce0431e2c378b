import type { SSEEvent, SSEEvents, SSEReset } from "./events.js";
import { type ClientOptions, type ClientState, SSEError, streamUrl } from "./options.js";
import { markOf, Position } from "./position.js";
import { canShare, type TabEvent, Tabs } from "./tabs.js";
import { type Close, type NativeStream, openEventSource, openFetch, type StreamSink } from "./transport.js";

type Handler = (value: any) => void;
type Timer = ReturnType<typeof setTimeout>;

/** Payload of a `connection` event. */
interface ConnectionPayload {
  readonly status?: "connected" | "refused" | "draining";
  readonly clientId?: string | null;
  readonly userId?: string | null;
  readonly sessionId?: string | null;
  readonly recovered?: boolean;
  readonly reason?: string;
}

/** Event names that `EventSource` listens for even without a handler. */
const BUILT_IN = ["message", "notification", "announcement", "update", "progress", "ping", "connection"];
/** Page and network events that may mean the stream is dead or needed again; `visibilitychange` and `resume` bubble from the document. */
const NOTICED = ["focus", "online", "pagehide", "pageshow", "resume", "visibilitychange"];
const NOT_OPEN = { clientId: null, userId: null, sessionId: null } as const;

/**
 * Keeps a stream of a fanfare server open. It reconnects by itself, resumes after the last event, dispatches each event once
 * and in order, and reports a gap to `onReset`.
 */
export class FanfareClient<E = SSEEvents> {
  readonly #options: ClientOptions;
  readonly #position: Position;
  readonly #handlers = new Map<string, Set<Handler>>();
  #state: ClientState;
  /** Incremented with each attempt: a callback of an older attempt sees another number, and is ignored. */
  #run = 0;
  #stream: Close | undefined;
  #native: NativeStream | undefined;
  /** The last attempt was an `EventSource` that gave up, which hides why. */
  #blind = false;
  #tabs: Tabs | undefined;
  /** The server's `retry`. */
  #retry = 0;
  #timer: Timer | undefined;
  #watchdog: Timer | undefined;
  #hidden: Timer | undefined;
  /** Unix ms after which the stream must be opened again: timers stop while the machine sleeps, and run late in a hidden page. */
  #overdue = Infinity;
  /** The server refused or drained this stream: its `retry` was drawn for this client alone, so no jitter is added. */
  #drawn = false;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    const { persist } = options;
    const key = persist === true ? `fanfare:${streamUrl(options)}` : persist || undefined;
    this.#position = new Position(options.lastEventId ?? "", key);
    const lastEventId = this.#position.id;
    this.#state = { status: "idle", ...NOT_OPEN, lastEventId, attempts: 0, error: null, role: "single" };
  }

  /** Opens the stream and keeps it open. Does nothing if it already is. */
  connect(): void {
    if (["connecting", "open", "waiting"].includes(this.#state.status)) return;
    const run = ++this.#run;
    this.#set({ status: "connecting", attempts: 0, error: null });
    // Handlers added in this turn miss nothing, and their names decide which transport is used.
    queueMicrotask(() => run === this.#run && this.#begin());
  }

  /** Closes the stream until the next `connect()`. */
  close(): void {
    if (this.#state.status !== "idle") this.#stop({ status: "closed" });
  }

  /** Calls `handler` for each event of one type. Like all of these, returns a function that removes the handler. */
  on<K extends keyof E>(type: K, handler: (event: SSEEvent<E, K>) => void): () => void {
    this.#native?.listen(String(type));
    return this.#add(`:${String(type)}`, handler);
  }

  /** Calls `handler` for every event except the server's own, `connection` and `ping`. */
  onEvent(handler: (event: SSEEvent<E>) => void): () => void {
    const end = this.#add("event", handler);
    // `EventSource` dispatches only names that it listens for: reopen with `fetch`.
    if (this.#native && !this.#isNative()) void this.#open();
    return end;
  }

  /** Calls `handler` when events were missed, before the events that follow the gap. */
  onReset(handler: (reset: SSEReset) => void): () => void {
    return this.#add("reset", handler);
  }

  onOpen(handler: (state: ClientState) => void): () => void {
    return this.#add("open", handler);
  }

  onClose(handler: (state: ClientState) => void): () => void {
    return this.#add("close", handler);
  }

  /** Calls `handler` for each failed attempt and each lost stream. */
  onError(handler: (error: SSEError) => void): () => void {
    return this.#add("error", handler);
  }

  getState(): ClientState {
    return this.#state;
  }

  /** Calls `listener` when `getState()` changes, except for `lastEventId`, which changes with each event. */
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

  /** Opens the stream, or joins the other tabs that share it. */
  #begin(): void {
    this.#watch(true);
    if (!this.#options.shareTabs || !canShare()) {
      void this.#open();
      return;
    }
    const { shareTabs, token, headers, withCredentials } = this.#options;
    // Tabs share a connection only where address and identity are equal; functions compare equal.
    const identity = JSON.stringify([shareTabs, token, typeof token, headers, withCredentials]);
    this.#tabs = new Tabs(`fanfare:${streamUrl(this.#options)} ${identity}`, this.#position, {
      lead: () => void this.#open({ role: "leader" }),
      wake: () => this.#wake(),
      state: () => {
        const { error, ...state } = this.#state;
        return { ...state, error: error && [error.message, error.status, error.final, error.wait] };
      },
      follow: (shared) => {
        if (!this.#position.id) this.#position.moveTo(shared.lastEventId);
        const error = shared.error && new SSEError(...shared.error);
        // The leader may send the same state more than once.
        const isNew = shared.status === "waiting" && shared.attempts !== this.#state.attempts;
        this.#set({ ...shared, error, lastEventId: this.#position.id, role: "follower" });
        if (isNew) this.#emit("error", error);
      },
      reset: (reset) => this.#reset(reset),
      event: (tabEvent) => this.#take(tabEvent),
    });
    this.#set({ role: "follower" });
  }

  async #open(changes: Partial<ClientState> = {}): Promise<void> {
    this.#cut();
    const run = this.#run;
    this.#position.begin();
    // The watchdog starts now: a token function may never resolve.
    this.#feed();
    this.#set({ status: "connecting", ...NOT_OPEN, ...changes });
    const { token, headers, withCredentials = false, from } = this.#options;
    const sink: StreamSink = {
      // A handler may close the stream while one chunk is dispatched: the rest of that chunk is dropped.
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
      const begin = id ? {} : { [from === "earliest" ? "lastEventId" : "since"]: from };
      if (this.#isNative()) {
        const url = streamUrl(this.#options, { lastEventId: id, ...begin, access_token: bearer });
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
      this.#stream = openFetch(streamUrl(this.#options, begin), { headers: fields, credentials }, sink);
    } catch (error) {
      // The token function failed, or the URL or a header is invalid.
      if (run === this.#run) this.#lost(new SSEError(`not asked: ${error}`));
    }
  }

  #isNative(): boolean {
    const { transport = "auto", token, headers } = this.#options;
    if (transport === "fetch" || !globalThis.EventSource) return false;
    return transport === "eventsource" || !(this.#blind || token || headers || this.#tabs || this.#handlers.get("event")?.size);
  }

  #message(type: string, text: string, id: string | undefined): void {
    if (type === "connection") this.#connection(Object(parse(text)) as ConnectionPayload, id);
    else if (type !== "ping" || id !== undefined) {
      // A server that sends no `connection` event.
      if (this.#state.status !== "open") this.#opened({});
      // A heartbeat is not dispatched, but that of another server may move the position.
      this.#take(type === "ping" ? ["", "", id] : [type, text, id]);
    }
  }

  /** Handles a `connection` event. */
  #connection(payload: ConnectionPayload, id: string | undefined): void {
    this.#drawn = payload.status !== "connected";
    if (this.#drawn) return;
    const isLost = !!(this.#position.id || this.#options.from) && payload.recovered === false;
    // What a server goes on after is nothing new, whatever its text.
    this.#position.moveTo(id, id);
    const reset = { reason: payload.reason ?? "unknown", lastEventId: this.#position.id };
    // The position that this stream starts from: followers may resume from it.
    this.#tabs?.event(["", "", id]);
    this.#opened(payload);
    if (isLost) {
      this.#tabs?.reset(reset);
      this.#reset(reset);
    }
  }

  #opened({ clientId = null, userId = null, sessionId = null }: ConnectionPayload): void {
    const lastEventId = this.#position.id;
    this.#set({ status: "open", clientId, userId, sessionId, lastEventId, attempts: 0, error: null });
  }

  #reset(reset: SSEReset): void {
    this.#position.moveTo(reset.lastEventId);
    this.#set({ lastEventId: this.#position.id });
    this.#emit("reset", reset);
  }

  #take(tabEvent: TabEvent): void {
    const [type, text, id] = tabEvent;
    const mark = type && markOf(id, type, text);
    if (this.#position.isNew(id, mark)) {
      this.#tabs?.event(tabEvent);
      const event = { type, data: parse(text), text, id: id ?? this.#position.id };
      for (const name of type ? [`:${type}`, "event"] : []) this.#emit(name, event);
    }
    this.#position.moveTo(id, mark);
    // No listener is called: an event does not change the state of the connection.
    this.#state = { ...this.#state, lastEventId: this.#position.id };
  }

  /** The stream ended or could not be opened. `returns`: as `StreamSink` has it. */
  #lost(error: SSEError, returns?: boolean): void {
    this.#blind = returns === false;
    if (!returns) this.#cut();
    this.#position.begin();
    // Without jitter only where the server drew it: it never draws less than a second.
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
    // The server's `retry` is a lower bound. Full jitter on top keeps clients that lost their server together from
    // returning together.
    const jitter = Math.random() * Math.min(maxReconnectInterval, reconnectInterval * 2 ** (attempts - 1));
    const wait = Math.max(this.#retry + (drawn ? 0 : jitter), error.wait);
    const due = Date.now() + wait;
    // After the machine slept, reconnect at once, unless the server asked for a delay.
    this.#overdue = drawn || error.wait ? due : Math.min(due, this.#overdue);
    this.#timer = later(() => this.#wake(true), wait);
  }

  /** Reopens a stream that is overdue, unless the network is down: `online` does it then. A follower asks its leader. */
  #wake(isDue = Date.now() >= this.#overdue): void {
    if (this.#state.role === "follower") this.#tabs?.wake();
    else if (isDue && globalThis.navigator?.onLine !== false) void this.#open();
  }

  /** Cancels the current stream and its timers. */
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

  /** Closes this client's stream and leaves the group of tabs; the others keep theirs. */
  #leave(changes: Partial<ClientState>): void {
    this.#cut();
    this.#overdue = Infinity;
    this.#position.save();
    const tabs = this.#tabs;
    this.#tabs = undefined;
    this.#set({ ...NOT_OPEN, role: "single", ...changes });
    tabs?.close();
  }

  /** Restarts the watchdog: something was received. */
  #feed(): void {
    const { heartbeatTimeout = 75000 } = this.#options;
    clearTimeout(this.#watchdog);
    this.#overdue = Infinity;
    if (heartbeatTimeout > 0) {
      this.#overdue = Date.now() + heartbeatTimeout / 2;
      this.#watchdog = later(() => this.#lost(new SSEError("the stream went silent")), heartbeatTimeout);
    }
  }

  /** Adds or removes the listeners for page and network events. */
  #watch(on: boolean): void {
    const change = on ? "addEventListener" : "removeEventListener";
    for (const name of NOTICED) globalThis[change]?.(name, this.#notice);
    clearTimeout(this.#hidden);
    // The page may already be hidden.
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

  /** Pauses or resumes by the page's visibility. */
  #look(): void {
    const { pauseWhenHidden = 0 } = this.#options;
    clearTimeout(this.#hidden);
    if (!globalThis.document?.hidden) {
      this.#resume();
      this.#wake();
    } else if (pauseWhenHidden > 0) this.#hidden = later(() => this.#pause(), pauseWhenHidden);
  }

  /** Closes the stream of a page in the back-forward cache, or of one that was hidden for `pauseWhenHidden`. */
  #pause(): void {
    if (this.#state.status !== "paused") this.#leave({ status: "paused" });
  }

  #resume(): void {
    if (this.#state.status === "paused") this.connect();
  }
}

/** `setTimeout` with the delay clamped to 2^31 - 1 ms: a longer one would fire at once. */
function later(action: () => void, ms: number): Timer {
  return setTimeout(action, Math.min(ms, 2 ** 31 - 1));
}

/** The UTF-8 octets of a text, one a character: header values hold no more, and `EventSource` sends ids so. */
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
