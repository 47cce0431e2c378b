// The page: its parts, and what they tell one another.

import { base, setToken } from "./api.js";
import { History } from "./history.js";
import { Publisher } from "./publisher.js";
import { Statistics } from "./statistics.js";
import { State } from "./stream.js";
import { Streams } from "./streams.js";

const section = (id) => document.getElementById(id);

const history = new History(section("events"));
const streams = new Streams(section("streams"));
const statistics = new Statistics(section("statistics"));
new Publisher(section("publish"), reopenLast);

for (const place of document.querySelectorAll("[data-shows=base]")) place.textContent = base;

const status = section("status");
/** What the last poll said. */
let trouble = null;

streams.addEventListener("event", ({ detail }) => history.add(detail));
streams.addEventListener("change", showStatus);
statistics.addEventListener("answer", ({ detail }) => {
  trouble = detail;
  showStatus();
});

const access = section("access");
access.addEventListener("submit", (submission) => {
  submission.preventDefault();
  setToken(access.elements.namedItem("token").value);
  statistics.poll();
  if (!streams.all.some((stream) => stream.isActive)) reopenLast();
});

/** A stream greets with a `connection` event: the last one is opened again. */
function reopenLast() {
  const stream = streams.all.findLast((stream) => stream.isActive) ?? streams.all.at(-1);
  if (stream === undefined) streams.open([]);
  else streams.reopen(stream);
  return "A stream was opened again: the server greets it with a connection event";
}

function showStatus() {
  const open = streams.all.filter((stream) => stream.isOpen).length;
  const [kind, text] = standing(open);
  if (status.textContent === text) return;
  status.dataset.kind = kind;
  status.textContent = text;
  document.title = `${text} · fanfare test panel`;
}

function standing(open) {
  const count = `${open} ${open === 1 ? "stream" : "streams"} open`;
  if (trouble?.status === 401 || trouble?.status === 403) return ["warn", `Token needed · ${count}`];
  if (trouble) return ["error", `No answer · ${trouble.message}`];
  if (open > 0) return ["ok", `Connected · ${count}`];
  const [stream] = streams.all.filter((stream) => stream.isActive);
  if (stream) return ["warn", stream.state === State.Lost ? "Connection lost" : "Connecting"];
  return ["idle", "No stream open"];
}

streams.open([]);
statistics.poll();
