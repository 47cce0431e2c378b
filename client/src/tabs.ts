import type { ClientState, SSEReset } from "./index.js";

/** Events that a leader keeps for tabs that are behind. */
const RING = 1024;

/** An event as it goes from tab to tab; without a type, only a position. */
export type Parcel = readonly [type: string, data: string, id: string];

/** What tabs say to each other. */
type Note =
  | { readonly kind: "lead" }
  | { readonly kind: "hello"; readonly from: string; readonly id: string }
  /** To one tab: where the leader is, and what that tab has missed; `null` where that is no longer known. */
  | { readonly kind: "welcome"; readonly to: string; readonly state: ClientState; readonly missed: readonly Parcel[] | null }
  | { readonly kind: "state"; readonly state: ClientState }
  | { readonly kind: "reset"; readonly reset: SSEReset }
  | { readonly kind: "event"; readonly parcel: Parcel };

/** What a tab does with what it hears. */
export interface TabSink {
  /** It has the connection from now on. */
  lead(): void;
  /** The last event that it has. */
  position(): string;
  state(state: ClientState): void;
  reset(reset: SSEReset): void;
  event(parcel: Parcel): void;
  current(): ClientState;
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
  readonly #self = Math.random().toString(36).slice(2);
  readonly #channel: BroadcastChannel;
  readonly #sink: TabSink;
  readonly #leave = new AbortController();
  readonly #ring: Parcel[] = [];
  #release: (() => void) | undefined;
  /** The leader has said where it is. */
  #follows = false;

  constructor(name: string, sink: TabSink) {
    this.#sink = sink;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event: MessageEvent<Note>) => this.#hear(event.data);
    navigator.locks
      .request(name, { signal: this.#leave.signal }, () => this.#lead())
      // Left before it led.
      .catch(() => {});
    this.#hello();
  }

  get leads(): boolean {
    return this.#release !== undefined;
  }

  /** Hands on what the connection brought. */
  event(parcel: Parcel): void {
    this.#keep(parcel);
    this.#post({ kind: "event", parcel });
  }

  reset(reset: SSEReset): void {
    this.#post({ kind: "reset", reset });
  }

  state(state: ClientState): void {
    this.#post({ kind: "state", state });
  }

  close(): void {
    this.#leave.abort();
    this.#release?.();
    this.#channel.close();
  }

  #lead(): Promise<void> {
    if (this.#leave.signal.aborted) return Promise.resolve();
    const led = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#sink.lead();
    this.#post({ kind: "lead" });
    return led;
  }

  #hear(note: Note): void {
    if (this.leads) {
      if (note.kind === "hello") this.#welcome(note.from, note.id);
    } else if (note.kind === "lead") {
      this.#hello();
    } else if (note.kind === "welcome") {
      if (note.to === this.#self) this.#join(note.state, note.missed);
    } else if (this.#follows) {
      if (note.kind === "state") this.#sink.state(note.state);
      else if (note.kind === "reset") this.#sink.reset(note.reset);
      else if (note.kind === "event") this.#take(note.parcel);
    }
  }

  /** Brings a tab to where this one is. */
  #welcome(to: string, id: string): void {
    const state = this.#sink.current();
    const at = this.#ring.findIndex((parcel) => parcel[2] === id);
    // While the stream is not open, this one may be behind itself: what it gets then goes to all.
    const known = at >= 0 || !id || id === state.lastEventId || state.status !== "open";
    this.#post({ kind: "welcome", to, state, missed: known ? (at < 0 ? [] : this.#ring.slice(at + 1)) : null });
  }

  #join(state: ClientState, missed: readonly Parcel[] | null): void {
    this.#follows = true;
    this.#sink.state(state);
    if (missed === null) this.#sink.reset({ reason: "tab", lastEventId: state.lastEventId });
    for (const parcel of missed ?? []) this.#take(parcel);
  }

  /** What is heard before the welcome is part of it. */
  #hello(): void {
    this.#follows = false;
    this.#post({ kind: "hello", from: this.#self, id: this.#sink.position() });
  }

  #take(parcel: Parcel): void {
    this.#keep(parcel);
    this.#sink.event(parcel);
  }

  #keep(parcel: Parcel): void {
    this.#ring.push(parcel);
    if (this.#ring.length > RING) this.#ring.shift();
  }

  #post(note: Note): void {
    if (!this.#leave.signal.aborted) this.#channel.postMessage(note);
  }
}
