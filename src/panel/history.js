// The events that arrived, newest first, and a filter.

import { announce, copy } from "./fields.js";

/** Most events that are remembered. */
const MAX_EVENTS = 1000;
/** Most that are shown; a filter finds the others. */
const MAX_ROWS = 200;
/** Most of an event's data that is shown, in characters. */
const MAX_DATA = 4000;

export class History {
  #rows;
  #count;
  #empty;
  #filter;
  #events = [];
  #fresh = [];
  #total = 0;
  #names = new Map();

  constructor(section) {
    this.#rows = section.querySelector("[data-list]");
    this.#count = section.querySelector("[data-count]");
    this.#empty = section.querySelector("[data-empty]");
    this.#filter = section.querySelector("form");
    this.#filter.addEventListener("submit", (submission) => submission.preventDefault());
    this.#filter.addEventListener("input", () => {
      this.#showAll();
      announce(this.#count.textContent);
    });
    section.querySelector("[data-action=clear]").addEventListener("click", () => {
      this.#events = [];
      this.#fresh = [];
      this.#total = 0;
      this.#showAll();
      announce("Events cleared");
    });
  }

  /** Takes an event. It is shown with the next frame, so that a flood costs no more than that. */
  add({ stream, event, id, data, heartbeat, replayed }) {
    const entry = { at: new Date(), stream: stream.name, event, id, data, heartbeat, replayed };
    this.#total += 1;
    this.#events.push(entry);
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    this.#name("event", event);
    this.#name("stream", stream.name);
    if (this.#fresh.length === 0) requestAnimationFrame(() => this.#showFresh());
    this.#fresh.push(entry);
    if (this.#fresh.length > MAX_ROWS) this.#fresh.shift();
  }

  /** Offers a name in a list of the filter. */
  #name(field, name) {
    const known = this.#names.get(field) ?? new Set();
    this.#names.set(field, known);
    if (known.has(name) || known.size >= 100) return;
    known.add(name);
    this.#filter.elements.namedItem(field).append(new Option(name, name));
  }

  /** The condition that the filter states. */
  #condition() {
    const field = (name) => this.#filter.elements.namedItem(name);
    const [event, stream] = [field("event").value, field("stream").value];
    const words = field("words").value.trim().toLowerCase();
    const heartbeats = field("heartbeats").checked;
    return (entry) =>
      (event === "" || entry.event === event) &&
      (stream === "" || entry.stream === stream) &&
      (heartbeats || !entry.heartbeat) &&
      (words === "" || `${entry.event} ${entry.id} ${entry.data}`.toLowerCase().includes(words));
  }

  #showFresh() {
    const shown = this.#fresh.splice(0).filter(this.#condition());
    this.#rows.prepend(...shown.reverse().map(row));
    while (this.#rows.childElementCount > MAX_ROWS) this.#rows.lastElementChild.remove();
    if (shown.length > 0 && this.#filter.elements.namedItem("aloud").checked) {
      announce(`${shown[0].event} on ${shown[0].stream}: ${shown[0].data.slice(0, 200)}`);
    }
    this.#tell();
  }

  #showAll() {
    const shown = this.#events.filter(this.#condition()).slice(-MAX_ROWS);
    this.#fresh = [];
    this.#rows.replaceChildren(...shown.reverse().map(row));
    this.#tell();
  }

  #tell() {
    const shown = this.#rows.childElementCount;
    this.#empty.hidden = shown > 0;
    this.#count.textContent = `${shown} shown of ${this.#total} received`;
  }
}

function row({ at, stream, event, id, data, heartbeat, replayed }) {
  const { element, parts } = copy("event-row");
  element.dataset.event = event;
  parts.time.textContent = clock(at);
  parts.time.dateTime = at.toISOString();
  parts.event.textContent = event;
  parts.stream.textContent = stream;
  // The id that stands is that of an earlier event.
  parts.id.textContent = heartbeat ? "" : id;
  parts.replayed.hidden = !replayed;
  const more = data.length - MAX_DATA;
  parts.data.textContent = more > 0 ? `${data.slice(0, MAX_DATA)}… and ${more} characters more` : data;
  return element;
}

function clock(at) {
  const digits = (number, length = 2) => String(number).padStart(length, "0");
  const seconds = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => digits(part)).join(":");
  return `${seconds}.${digits(at.getMilliseconds(), 3)}`;
}
