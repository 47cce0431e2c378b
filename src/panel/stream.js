// One stream: opened, lost, and opened again where it left off.

import { base, credentials, refusal, request } from "./api.js";
import { EventParser } from "./sse.js";

const DEFAULT_RETRY_MS = 3000;

/** Where a stream stands. */
export const State = Object.freeze({
  Connecting: "connecting",
  Open: "open",
  /** It comes back by itself. */
  Waiting: "waiting",
  /** It was cut off, and comes back when told to. */
  Lost: "lost",
  Closed: "closed",
});

/**
 * A stream of the panel. Unlike an EventSource it brings a token in a header, and can be cut off on purpose.
 * Tells `change` when where it stands is another, and `event` (detail: what the parser says, and
 * whether it is replayed or a heartbeat) for each event.
 */
export class Stream extends EventTarget {
  state = State.Connecting;
  /** Why it does not stand otherwise; for people. */
  note = "";
  clientId = null;
  /** Who the server says that it is. */
  userId = null;
  sessionId = null;
  lastEventId = "";
  received = 0;

  #query;
  #headers = {};
  #retry = DEFAULT_RETRY_MS;
  /** What the server said of why it ends the stream, if it did. */
  #said = "";
  /** Where history was when the stream was asked for again. */
  #newest = null;
  #cut = null;
  #timer = null;

  /** `claims` are pairs of the query: topic, userId, sessionId, meta.KEY. */
  constructor(name, claims) {
    super();
    this.name = name;
    this.claims = claims;
    this.#query = new URLSearchParams(claims).toString();
  }

  /** Opens it, after the last event that it got, with the token that the page has now. */
  open() {
    this.#headers = credentials();
    return this.#connect();
  }

  async #connect() {
    this.#stop();
    const cut = new AbortController();
    this.#cut = cut;
    this.#enter(State.Connecting, this.lastEventId === "" ? "" : "asks for what came after the last event");
    this.#said = "";
    try {
      this.#newest = this.lastEventId === "" ? null : await newest();
      if (cut.signal.aborted) return;
      await this.#follow(cut.signal);
      if (!cut.signal.aborted) this.#retryLater(this.#said || "the server ended it");
    } catch (error) {
      if (cut.signal.aborted) return;
      // Refused for good, as a browser sees it. Else the network did it.
      if (error.status) this.#enter(State.Closed, error.message);
      else this.#retryLater("the connection was lost");
    }
  }

  /** Ends it, on this side. */
  close() {
    this.#stop();
    this.#enter(State.Closed, "disconnected by this page");
  }

  /** Cuts the connection as a network would. The stream remembers where it was. */
  lose() {
    this.#stop();
    this.#enter(State.Lost, "the connection is cut; events go on without it");
  }

  get isOpen() {
    return this.state === State.Open;
  }

  /** Whether it has a connection, or will have one. */
  get isActive() {
    return this.state !== State.Closed;
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#cut?.abort();
    this.#cut = null;
  }

  #retryLater(why) {
    this.#enter(State.Waiting, `${why}; comes back in ${(this.#retry / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.#connect(), this.#retry);
  }

  async #follow(signal) {
    const headers = { ...this.#headers, Accept: "text/event-stream" };
    if (this.lastEventId !== "") headers["Last-Event-ID"] = this.lastEventId;
    const url = this.#query === "" ? base : `${base}?${this.#query}`;
    const response = await fetch(url, { headers, cache: "no-store", signal });
    if (!response.ok) throw await refusal(response);
    const parser = new EventParser((event) => this.#take(event), this.lastEventId);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      parser.push(value);
      this.lastEventId = parser.lastEventId;
      this.#retry = parser.retry ?? this.#retry;
    }
  }

  #take(event) {
    const heartbeat = event.event === "ping";
    this.lastEventId = event.id;
    if (event.event === "connection") this.#greet(event.data);
    else if (!heartbeat) this.received += 1;
    const replayed = !heartbeat && this.#isReplayed(event);
    const detail = { ...event, heartbeat, replayed };
    this.dispatchEvent(new CustomEvent("event", { detail }));
  }

  #greet(data) {
    const says = parsed(data);
    if (says.status === "connected") {
      this.clientId = says.clientId;
      this.userId = says.userId;
      this.sessionId = says.sessionId;
      this.#enter(State.Open, says.recovered ? "resumed without a gap" : gap(says.reason));
    } else {
      this.#said = `the server says ${says.status}${says.reason ? `: ${says.reason}` : ""}`;
      this.#enter(this.state, this.#said);
    }
  }

  #isReplayed({ event, id }) {
    if (this.#newest === null || event === "connection") return false;
    const [epoch, seq] = id.split("-").map(Number);
    return epoch === this.#newest.epoch && seq <= this.#newest.seq;
  }

  #enter(state, note) {
    this.state = state;
    this.note = note;
    if (state !== State.Open) this.clientId = null;
    this.dispatchEvent(new Event("change"));
  }
}

/** What it means that a stream does not go on where it left off. */
function gap(reason) {
  switch (reason) {
    case "none":
      return "started live";
    case "expired":
      return "a gap: history no longer holds what came after the last event";
    case "epoch":
      return "a gap: the server has begun a new history";
    case "future":
      return "a gap: the last event is one the server does not know";
    default:
      return `a gap: ${reason}`;
  }
}

/** Where history is, if the server tells. Other clients should not look into ids; the panel is part of the server. */
async function newest() {
  try {
    const { engine } = await request("GET", "/stats");
    return { epoch: engine.history.epoch, seq: engine.history.newest };
  } catch {
    return null;
  }
}

function parsed(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
