// Reads an event stream (WHATWG HTML, 9.2.6), however its bytes are cut.

/** Takes decoded text as it arrives and calls `onEvent({event, data, id})` for each event that is whole. */
export class EventParser {
  #rest = "";
  #afterCr = false;
  #atStart = true;
  #event = "";
  #data = null;
  #id;
  #onEvent;

  /** The last id that stands, which a client that comes back brings. */
  lastEventId;
  /** The reconnection time in ms that was last told, if any. */
  retry;

  constructor(onEvent, lastEventId = "") {
    this.#onEvent = onEvent;
    this.#id = lastEventId;
    this.lastEventId = lastEventId;
  }

  push(text) {
    if (this.#atStart && text !== "") {
      this.#atStart = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    // A CR has ended its line already; the LF that may follow belongs to it.
    if (this.#afterCr && text !== "") {
      this.#afterCr = false;
      if (text.startsWith("\n")) text = text.slice(1);
    }
    text = this.#rest + text;
    let start = 0;
    const lineEnd = /\r\n|\r|\n/g;
    // What was left over has no line end in it.
    lineEnd.lastIndex = this.#rest.length;
    for (let found; (found = lineEnd.exec(text)); start = lineEnd.lastIndex) {
      this.#line(text.slice(start, found.index));
      this.#afterCr = found[0] === "\r" && lineEnd.lastIndex === text.length;
    }
    this.#rest = text.slice(start);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  #dispatch() {
    this.lastEventId = this.#id;
    const event = { event: this.#event || "message", data: this.#data, id: this.#id };
    this.#event = "";
    this.#data = null;
    if (event.data !== null) this.#onEvent(event);
  }
}
