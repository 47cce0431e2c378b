// Publishing: a button for each built-in event, and a form for any event and target.

import { base, request } from "./api.js";
import { list, pairs, value } from "./fields.js";

const KINDS = ["user", "session", "topic", "client"];
const PROGRESS_STEP = 20;

/** Sets the section up. `reopen` opens a stream again, which is how a `connection` event comes about. */
export class Publisher {
  #quick;
  #form;
  #result;
  #reopen;

  constructor(section, reopen) {
    this.#reopen = reopen;
    this.#quick = section.querySelector("form[data-form=quick]");
    this.#form = section.querySelector("form[data-form=event]");
    this.#result = section.querySelector("[data-result]");
    this.#quick.addEventListener("submit", (submission) => {
      submission.preventDefault();
      this.#send(() => this.#sendBuiltIn(submission.submitter?.value ?? "notification"));
    });
    this.#form.addEventListener("submit", (submission) => {
      submission.preventDefault();
      this.#send(() => request("POST", "/events", publication(this.#form)));
    });
    this.#form.addEventListener("input", () => this.#preview());
    this.#form.addEventListener("reset", () => setTimeout(() => this.#preview()));
    this.#preview();
  }

  async #sendBuiltIn(type) {
    if (type === "connection") return this.#reopen();
    const form = this.#quick;
    const event = { type };
    if (value(form, "message") !== "") event.message = value(form, "message");
    if (value(form, "userId") !== "") event.userId = value(form, "userId");
    if (type === "announcement") event.level = value(form, "level");
    if (type === "progress") event.percentage = Number(value(form, "percentage"));
    const answer = await request("POST", "/test", JSON.stringify(event));
    if (type === "ping") return "Sent a heartbeat, which the list of events shows where Heartbeats is on";
    // So that pressing on shows an operation that gets on.
    if (type === "progress") {
      const next = event.percentage >= 100 ? 0 : Math.min(100, event.percentage + PROGRESS_STEP);
      form.elements.namedItem("percentage").value = String(next);
    }
    return answer;
  }

  async #send(action) {
    try {
      const answer = await action();
      this.#show(answer?.id ? `Published ${answer.id}` : answer, "ok");
    } catch (error) {
      this.#show(error.message, "error");
    }
  }

  #show(text, kind) {
    this.#result.dataset.kind = kind;
    this.#result.textContent = text;
  }

  #preview() {
    const form = this.#form;
    const narrowed = value(form, "audience") === "some";
    form.querySelector("[data-part=target]").hidden = !narrowed;
    const preview = form.querySelector("[data-part=preview]");
    try {
      preview.textContent = `POST ${base}/events\nContent-Type: application/json\n\n${publication(form)}`;
    } catch (error) {
      preview.textContent = error.message;
    }
  }
}

/** The publication that a form describes, as JSON. Throws what is wrong with it. */
function publication(form) {
  const members = [];
  const add = (name, value) => members.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (value(form, "event") !== "") add("event", value(form, "event"));
  const body = form.elements.namedItem("body").value;
  if (value(form, "as") === "text") add("text", body);
  else members.push(`"data": ${json(body)}`);
  if (value(form, "audience") === "some") add("to", target(form));
  const except = selector(form, "except-");
  if (Object.keys(except).length > 0) add("except", except);
  for (const name of ["retry", "ttl"]) {
    if (value(form, name) !== "") add(name, Number(value(form, name)));
  }
  return `{${members.join(", ")}}`;
}

/** JSON as it was written: reading and writing it again would change its numbers. */
function json(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`The data is not JSON: ${error.message}`);
  }
  return text.trim();
}

function target(form) {
  const target = selector(form, "to-");
  const where = pairs(value(form, "where"));
  if (where.length > 0) target.where = Object.fromEntries(where);
  if (Object.keys(target).length === 0) throw new Error("Say who gets it: a user, session, topic, client, or metadata");
  return target;
}

function selector(form, prefix) {
  const named = KINDS.map((kind) => [kind, list(value(form, prefix + kind))]);
  const some = named.filter(([, names]) => names.length > 0);
  return Object.fromEntries(some.map(([kind, names]) => [kind, names.length === 1 ? names[0] : names]));
}
