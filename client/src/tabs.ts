import type { SSEReset } from "./events.js";
import type { ClientState, SSEError } from "./options.js";
import type { Position } from "./position.js";

/** How many events a leader keeps for tabs that are behind. */
const RING = 1024;

/** An event sent from tab to tab, with the id of its own block; an empty type makes it a mere position. */
export type TabEvent = readonly [type: string, text: string, id: string | undefined];

/** A state sent from tab to tab. Structured cloning turns an `SSEError` into an `Error`, so its arguments are sent. */
export type SharedState = Omit<ClientState, "error"> & { readonly error: ConstructorParameters<typeof SSEError> | null };

/** Messages between tabs. */
type TabMessage =
  | readonly [kind: "lead"]
  | readonly [kind: "hello", from: number, lastEventId: string]
  /** To one tab: the leader's state, and the events after that tab's position; `null` where the leader no longer knows them. */
  | readonly [kind: "welcome", to: number, state: SharedState, missed: readonly TabEvent[] | null]
  | readonly [kind: "wake"]
  | readonly [kind: "state", state: SharedState]
  | readonly [kind: "reset", reset: SSEReset]
  | readonly [kind: "event", tabEvent: TabEvent];

/** What a tab does with messages of the others. */
export interface TabSink {
  /** This tab opens the connection for all. */
  lead(): void;
  /** The state to send to the others. */
  state(): SharedState;
  /** Another page of the group became visible. */
  wake(): void;
  /** Takes over the leader's state. */
  follow(state: SharedState): void;
  reset(reset: SSEReset): void;
  event(tabEvent: TabEvent): void;
}

/** Whether tabs of this browser can share a connection. */
export function canShare(): boolean {
  return !!(globalThis.BroadcastChannel && globalThis.navigator?.locks);
}

/**
 * One of several tabs that share a stream. The holder of a Web Lock leads: it opens the connection and passes everything on
 * through a `BroadcastChannel`. When it goes, the browser gives the lock to the next tab, which resumes from its position.
 */
export class Tabs {
  readonly #self = Math.random();
  readonly #channel: BroadcastChannel;
  readonly #position: Position;
  readonly #sink: TabSink;
  readonly #leave = new AbortController();
  /** The newest events, without a gap between them. */
  #ring: TabEvent[] = [];
  #release: (() => void) | undefined;
  /** The leader has answered. */
  #follows = false;

  constructor(name: string, position: Position, sink: TabSink) {
    this.#position = position;
    this.#sink = sink;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event: MessageEvent<TabMessage>) => this.#receive(event.data);
    navigator.locks
      .request(name, { signal: this.#leave.signal }, () => this.#lead())
      // Closed before it led; or locks are forbidden, and each tab leads for itself.
      .catch(() => this.#lead());
    this.#hello();
  }

  get leads(): boolean {
    return this.#release !== undefined;
  }

  /** Keeps an event, and passes it on where this tab leads. */
  event(tabEvent: TabEvent): void {
    this.#ring.push(tabEvent);
    if (this.#ring.length > RING) this.#ring.shift();
    if (this.leads) this.#post(["event", tabEvent]);
  }

  reset(reset: SSEReset): void {
    this.#begin(reset);
    this.#post(["reset", reset]);
  }

  state(): void {
    this.#post(["state", this.#sink.state()]);
  }

  /** Asks the leader to check that the connection is alive. */
  wake(): void {
    this.#post(["wake"]);
  }

  close(): void {
    this.#leave.abort();
    this.#release?.();
    this.#channel.close();
  }

  #lead(): Promise<void> | undefined {
    if (this.#leave.signal.aborted) return undefined;
    return new Promise((resolve) => {
      this.#release = resolve;
      this.#sink.lead();
      this.#post(["lead"]);
    });
  }

  #receive(message: TabMessage): void {
    if (this.leads) {
      if (message[0] === "hello") this.#answer(message[1], message[2]);
      else if (message[0] === "wake") this.#sink.wake();
    } else if (message[0] === "lead") {
      this.#hello();
    } else if (message[0] === "welcome") {
      if (message[1] === this.#self) this.#join(message[2], message[3]);
    } else if (this.#follows) {
      if (message[0] === "state") this.#sink.follow(message[1]);
      else if (message[0] === "reset") this.#reset(message[1]);
      else if (message[0] === "event") this.#sink.event(message[1]);
    } else if (message[0] === "state" && message[1].status === "open") {
      // The leader can answer now.
      this.#hello();
    }
  }

  /** Answers a tab that asked to follow. */
  #answer(to: number, id: string): void {
    const state = this.#sink.state();
    // A tab at an id also has the events without an id behind it: find the last of those.
    let [at, under]: [number, string | undefined] = [-1, undefined];
    this.#ring.forEach((tabEvent, index) => {
      under = tabEvent[2] ?? under;
      if (id && under === id) at = index;
    });
    const known = at >= 0 || !id || id === state.lastEventId;
    // Not connected, and so not sure where the stream goes on: the tab asks again once this one is open.
    if (!known && state.status !== "open") return;
    this.#post(["welcome", to, state, known ? this.#ring.slice(at < 0 ? RING : at + 1) : null]);
  }

  #join(state: SharedState, missed: readonly TabEvent[] | null): void {
    const { lastEventId } = state;
    this.#position.begin();
    this.#follows = true;
    this.#sink.follow(state);
    // A tab ahead of its leader has missed nothing.
    if (missed === null && !this.#position.find(lastEventId)) this.#reset({ reason: "tab", lastEventId });
    for (const tabEvent of missed ?? []) this.#sink.event(tabEvent);
  }

  #reset(reset: SSEReset): void {
    this.#begin(reset);
    this.#sink.reset(reset);
  }

  /** Forgets the events before a gap: tabs that were behind it must be reset, not given what came after. */
  #begin({ lastEventId }: SSEReset): void {
    this.#ring = [["", "", lastEventId]];
  }

  /** Asks the leader where it is. Messages before its answer are ignored, since the answer contains them. */
  #hello(): void {
    this.#follows = false;
    this.#post(["hello", this.#self, this.#position.id]);
  }

  #post(message: TabMessage): void {
    if (!this.#leave.signal.aborted) this.#channel.postMessage(message);
  }
}
