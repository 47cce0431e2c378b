// The streams that the panel has opened: a list, and what can be done to each.

import { request } from "./api.js";
import { announce, copy, list, pairs, value } from "./fields.js";
import { State, Stream } from "./stream.js";

/** A browser has six connections to a server (HTTP/1.1); one is left for requests. */
const MAX_ACTIVE = 5;

const STATES = {
  [State.Connecting]: "Connecting",
  [State.Open]: "Open",
  [State.Waiting]: "Waiting",
  [State.Lost]: "Connection lost",
  [State.Closed]: "Disconnected",
};

/** Tells `change` when a stream of the list stands otherwise, and `event` for each event of each. */
export class Streams extends EventTarget {
  #list;
  #form;
  #error;
  #opened = 0;
  #streams = new Set();

  constructor(section) {
    super();
    this.#list = section.querySelector("[data-list]");
    this.#form = section.querySelector("form");
    this.#error = section.querySelector("[data-error]");
    this.#form.addEventListener("submit", (submission) => {
      submission.preventDefault();
      this.#try(() => this.open(claims(this.#form)));
    });
  }

  /** All of them. */
  get all() {
    return [...this.#streams];
  }

  /** Opens one more. */
  open(claims) {
    this.#mayOpen();
    this.#opened += 1;
    const stream = new Stream(`Stream ${this.#opened}`, claims);
    this.#streams.add(stream);
    const card = new Card(stream, {
      reopen: () => this.#try(() => this.reopen(stream)),
      remove: () => this.#remove(stream, card),
    });
    this.#list.append(card.element);
    stream.addEventListener("change", () => {
      card.show();
      this.dispatchEvent(new Event("change"));
    });
    stream.addEventListener("event", ({ detail }) => {
      card.show();
      this.dispatchEvent(new CustomEvent("event", { detail: { ...detail, stream } }));
    });
    stream.open();
    return stream;
  }

  /** Opens one again, where it left off. */
  reopen(stream) {
    if (!stream.isActive) this.#mayOpen();
    stream.open();
  }

  #mayOpen() {
    if (this.all.filter((stream) => stream.isActive).length >= MAX_ACTIVE) {
      throw new Error(`${MAX_ACTIVE} streams are open, which is all that a browser has connections for; disconnect one first`);
    }
  }

  #try(action) {
    this.#error.textContent = "";
    try {
      action();
    } catch (error) {
      this.#error.textContent = error.message;
    }
  }

  #remove(stream, card) {
    stream.close();
    this.#streams.delete(stream);
    // Where the list goes on, or where the next stream comes from.
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    card.element.remove();
    (next?.querySelector("button") ?? this.#form.querySelector("input")).focus();
    announce(`${stream.name} removed`);
    this.dispatchEvent(new Event("change"));
  }
}

/** The pairs of a stream's query. */
function claims(form) {
  const found = list(value(form, "topics")).map((topic) => ["topic", topic]);
  for (const name of ["userId", "sessionId"]) {
    if (value(form, name) !== "") found.push([name, value(form, name)]);
  }
  return [...found, ...pairs(value(form, "meta")).map(([key, value]) => [`meta.${key}`, value])];
}

/** How one stream looks. */
class Card {
  element;
  #parts;
  #stream;
  #shown = null;
  #announced = null;

  constructor(stream, { reopen, remove }) {
    this.#stream = stream;
    ({ element: this.element, parts: this.#parts } = copy("stream-card"));
    const parts = this.#parts;
    this.element.setAttribute("aria-label", stream.name);
    parts.name.textContent = stream.name;
    for (const hidden of this.element.querySelectorAll("[data-of]")) hidden.textContent = ` ${stream.name}`;
    const claims = stream.claims.map(([key, value]) => `${key}=${value}`).join("  ");
    parts.claims.textContent = claims === "" ? "anonymous: gets what goes to everyone" : claims;
    parts.toggle.addEventListener("click", () => (stream.isActive ? stream.close() : reopen()));
    parts.lose.addEventListener("click", () => {
      if (stream.isActive) stream.state === State.Lost ? reopen() : stream.lose();
    });
    parts.end.addEventListener("click", () => this.#end());
    parts.remove.addEventListener("click", remove);
    this.show();
  }

  show() {
    const stream = this.#stream;
    const parts = this.#parts;
    const { state, note } = stream;
    parts.received.textContent = `${stream.received} received`;
    parts.last.textContent = stream.lastEventId || "–";
    if (this.#shown?.state === state && this.#shown.note === note) return;
    // Not each attempt to come back.
    if (state !== State.Connecting && state !== this.#announced) {
      this.#announced = state;
      announce(`${stream.name}: ${STATES[state]}. ${note}`);
    }
    this.#shown = { state, note };
    this.element.dataset.state = state;
    parts.state.textContent = STATES[state];
    parts.note.textContent = note;
    parts.client.textContent = stream.clientId ?? "–";
    const who = [["user", stream.userId], ["session", stream.sessionId]].filter(([, name]) => name !== null);
    parts.who.textContent = who.map(([kind, name]) => `${kind} ${name}`).join(", ") || "–";
    // The same buttons with other words, so that nobody's focus is lost.
    parts.toggleLabel.textContent = stream.isActive ? "Disconnect" : "Reconnect";
    parts.loseLabel.textContent = state === State.Lost ? "Come back" : "Lose connection";
    parts.lose.setAttribute("aria-disabled", String(!stream.isActive));
    parts.end.setAttribute("aria-disabled", String(stream.clientId === null));
  }

  /** Has the server end it. The stream then comes back by itself, as any client would. */
  async #end() {
    const { clientId, name } = this.#stream;
    if (clientId === null) return;
    try {
      const { disconnected } = await request("DELETE", `/clients/${encodeURIComponent(clientId)}`);
      if (disconnected === 0) announce(`${name} was not found on the server`);
    } catch (error) {
      this.#parts.note.textContent = error.message;
    }
  }
}
