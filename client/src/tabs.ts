import type { ClientState, SSEError, SSEReset } from "./index.js";
import type { Position } from "./position.js";

/** Events that a leader keeps for tabs that are behind. */
const RING = 1024;

/** An event as it goes from tab to tab, with the id of its own block; without a type, only a position. */
export type Parcel = readonly [type: string, text: string, id: string | undefined];

/** A state as it goes from tab to tab: a copy of an `SSEError` is but an `Error`, so what it is made of goes instead. */
export type Told = Omit<ClientState, "error"> & { readonly error: ConstructorParameters<typeof SSEError> | null };

/** What tabs say to each other. */
type Note =
  | readonly [kind: "lead"]
  | readonly [kind: "hello", from: number, lastEventId: string]
  /** To one tab: where the leader is, and what came after that tab's position; `null` where the leader does not know that. */
  | readonly [kind: "welcome", to: number, state: Told, missed: readonly Parcel[] | null]
  | readonly [kind: "wake"]
  | readonly [kind: "state", state: Told]
  | readonly [kind: "reset", reset: SSEReset]
  | readonly [kind: "event", parcel: Parcel];

/** What a tab does with what it hears. */
export interface TabSink {
  /** It has the connection from now on. */
  lead(): void;
  /** How it stands. */
  state(): Told;
  /** A page that shares its connection is seen again. */
  wake(): void;
  /** It stands as its leader does. */
  follow(state: Told): void;
  reset(reset: SSEReset): void;
  event(parcel: Parcel): void;
}

/** Whether tabs of this browser can share a connection. */
export function canShare(): boolean {
  return !!(globalThis.BroadcastChannel && globalThis.navigator?.locks);
}

/**
 * One tab of several with the same stream. The holder of a Web Lock leads: it has the connection and hands everything on by
 * a BroadcastChannel. When it is gone, the browser gives the lock to the next, which resumes where it is.
 */
export class Tabs {
  readonly #self = Math.random();
  readonly #channel: BroadcastChannel;
  readonly #position: Position;
  readonly #sink: TabSink;
  readonly #leave = new AbortController();
  /** The newest events, without a gap among them. */
  #ring: Parcel[] = [];
  #release: (() => void) | undefined;
  /** The leader has said where it is. */
  #follows = false;

  constructor(name: string, position: Position, sink: TabSink) {
    this.#position = position;
    this.#sink = sink;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event: MessageEvent<Note>) => this.#hear(event.data);
    navigator.locks
      .request(name, { signal: this.#leave.signal }, () => this.#lead())
      // Left before it led; or locks are forbidden, and each tab leads itself alone.
      .catch(() => this.#lead());
    this.#hello();
  }

  get leads(): boolean {
    return this.#release !== undefined;
  }

  /** Keeps what is new, and hands on what the connection brought. */
  event(parcel: Parcel): void {
    this.#ring.push(parcel);
    if (this.#ring.length > RING) this.#ring.shift();
    if (this.leads) this.#post(["event", parcel]);
  }

  reset(reset: SSEReset): void {
    this.#begin(reset);
    this.#post(["reset", reset]);
  }

  state(): void {
    this.#post(["state", this.#sink.state()]);
  }

  /** Whoever has the connection is to look whether it is alive. */
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

  #hear(note: Note): void {
    if (this.leads) {
      if (note[0] === "hello") this.#welcome(note[1], note[2]);
      else if (note[0] === "wake") this.#sink.wake();
    } else if (note[0] === "lead") {
      this.#hello();
    } else if (note[0] === "welcome") {
      if (note[1] === this.#self) this.#join(note[2], note[3]);
    } else if (this.#follows) {
      if (note[0] === "state") this.#sink.follow(note[1]);
      else if (note[0] === "reset") this.#reset(note[1]);
      else if (note[0] === "event") this.#sink.event(note[1]);
    } else if (note[0] === "state" && note[1].status === "open") {
      // Now the leader can say.
      this.#hello();
    }
  }

  /** Brings a tab to where this one is. */
  #welcome(to: number, id: string): void {
    const state = this.#sink.state();
    // Who is at an id has what came after it without one: so the last that stands under it.
    let [at, under]: [number, string | undefined] = [-1, undefined];
    this.#ring.forEach((parcel, index) => {
      under = parcel[2] ?? under;
      if (id && under === id) at = index;
    });
    const known = at >= 0 || !id || id === state.lastEventId;
    // While this one is not connected nobody knows from where it goes on: that tab asks again when it is.
    if (!known && state.status !== "open") return;
    this.#post(["welcome", to, state, known ? this.#ring.slice(at < 0 ? RING : at + 1) : null]);
  }

  #join(state: Told, missed: readonly Parcel[] | null): void {
    const { lastEventId } = state;
    this.#position.begin();
    this.#follows = true;
    this.#sink.follow(state);
    // A tab that is ahead of its leader has missed nothing.
    if (missed === null && !this.#position.has(lastEventId)) this.#reset({ reason: "tab", lastEventId });
    for (const parcel of missed ?? []) this.#sink.event(parcel);
  }

  #reset(reset: SSEReset): void {
    this.#begin(reset);
    this.#sink.reset(reset);
  }

  /** After a gap: whoever was before it must be told, and not given what came after. */
  #begin({ lastEventId }: SSEReset): void {
    this.#ring = [["", "", lastEventId]];
  }

  /** What is heard before the welcome is part of it. */
  #hello(): void {
    this.#follows = false;
    this.#post(["hello", this.#self, this.#position.id]);
  }

  #post(note: Note): void {
    if (!this.#leave.signal.aborted) this.#channel.postMessage(note);
  }
}
