// Live statistics: polled, in figures and charts.

import { request } from "./api.js";
import { Chart } from "./chart.js";

const INTERVAL_MS = 1000;
/** Two minutes. */
const SAMPLES = 120;

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function figure(number) {
  return number < 10_000 ? count.format(number) : compact.format(number);
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; number >= 1000 && unit < units.length - 1; unit += 1) number /= 1000;
  return `${count.format(number)} ${units[unit]}`;
}

function moment(unixMs) {
  return unixMs === null ? "–" : new Date(unixMs).toLocaleTimeString();
}

/** What each chart shows of a sample, and the one before it. */
const CHARTS = {
  streams: { name: "Open streams", show: figure, of: (now) => now.totalConnections },
  published: { name: "Events published per second", show: figure, of: rate("eventsPublished") },
  delivered: { name: "Deliveries per second", show: figure, of: rate("deliveries") },
  sent: { name: "Bytes sent per second", show: bytes, of: rate("bytesSent") },
};

/** What each figure shows. */
const FIGURES = {
  eventsPublished: ({ engine }) => figure(engine.eventsPublished),
  deliveries: ({ engine }) => figure(engine.deliveries),
  users: ({ engine }) => figure(engine.connectedUsers),
  userConnections: (now) => figure(now.userConnections),
  sessionConnections: (now) => figure(now.sessionConnections),
  staleConnections: (now) => figure(now.staleConnections),
  lagging: ({ engine }) => figure(engine.laggingConnections),
  slow: ({ engine }) => figure(engine.slowClientsClosed),
  backlog: ({ engine }) => bytes(engine.backlogBytes),
  history: ({ engine }) => `${figure(engine.history.events)} · ${bytes(engine.history.bytes)}`,
  disk: ({ engine }) => disk(engine.history.disk),
  oldest: (now) => moment(now.oldestConnection),
  newest: (now) => moment(now.newestConnection),
};

/** Where history lives. */
function disk(disk) {
  if (disk === null) return "in memory";
  if (disk.failed) return "failed: nothing is published until a restart";
  const room = disk.freeBytes === null ? "" : `, ${bytes(disk.freeBytes)} free`;
  const damages = disk.damages === 0 ? "" : `, ${figure(disk.damages)} damaged`;
  return `${bytes(disk.bytes)} on disk${room}${damages}`;
}

/** Change a second; null where there was another server in between. */
function rate(name) {
  return (now, before) => {
    if (before === null || before.engine.history.epoch !== now.engine.history.epoch) return null;
    return ((now.engine[name] - before.engine[name]) * 1000) / (now.at - before.at);
  };
}

/** Polls while the page is seen. Tells `answer` (detail: the error, or null) after each poll. */
export class Statistics extends EventTarget {
  #charts = new Map();
  #figures;
  #before = null;
  #timer = null;
  #paused = false;

  constructor(section) {
    super();
    for (const tile of section.querySelectorAll("[data-chart]")) {
      const chart = new Chart(tile.querySelector("svg"), SAMPLES);
      this.#charts.set(tile.dataset.chart, { chart, figure: tile.querySelector("[data-figure]") });
    }
    this.#figures = section.querySelectorAll("dd[data-figure]");
    const pause = section.querySelector("[data-action=pause]");
    pause.addEventListener("click", () => {
      this.#paused = !this.#paused;
      pause.setAttribute("aria-pressed", String(this.#paused));
      this.#goOn();
    });
    document.addEventListener("visibilitychange", () => this.#goOn());
  }

  /** Polls now, and from now on. */
  async poll() {
    clearTimeout(this.#timer);
    let error = null;
    try {
      const now = await request("GET", "/stats");
      this.#show({ ...now, at: performance.now() });
    } catch (caught) {
      error = caught;
      this.#gap();
    }
    this.dispatchEvent(new CustomEvent("answer", { detail: error }));
    clearTimeout(this.#timer);
    if (this.#isRunning()) this.#timer = setTimeout(() => this.poll(), INTERVAL_MS);
  }

  #isRunning() {
    return !this.#paused && !document.hidden;
  }

  #goOn() {
    clearTimeout(this.#timer);
    if (!this.#isRunning()) return;
    this.#gap();
    this.poll();
  }

  /** Nothing is known of a while. */
  #gap() {
    if (this.#before === null) return;
    this.#before = null;
    for (const [key, { chart }] of this.#charts) chart.push(null, (known) => label(key, known));
  }

  #show(now) {
    for (const [key, { chart, figure }] of this.#charts) {
      const { of, show } = CHARTS[key];
      const value = of(now, this.#before);
      figure.textContent = value === null ? "–" : show(value);
      chart.push(value, (known) => label(key, known));
    }
    for (const figure of this.#figures) figure.textContent = FIGURES[figure.dataset.figure](now);
    this.#before = now;
  }
}

function label(key, known) {
  const { name, show } = CHARTS[key];
  if (known.length === 0) return `${name}: nothing known yet`;
  return `${name}: now ${show(known.at(-1))}, in the last two minutes from ${show(Math.min(...known))} to ${show(Math.max(...known))}`;
}
