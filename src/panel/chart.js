// A small chart over time: a line, and the area below it.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 56;
const INSET = 4;

/** Draws the last `capacity` values into an SVG element. A value of null is a gap. */
export class Chart {
  #svg;
  #capacity;
  #values = [];
  #area = part("path", "area");
  #line = part("path", "line");

  constructor(svg, capacity) {
    this.#svg = svg;
    this.#capacity = capacity;
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.replaceChildren(this.#area, this.#line);
  }

  /** Adds a value. `label` says what the chart shows, for whoever cannot see it. */
  push(value, label) {
    this.#values.push(value);
    if (this.#values.length > this.#capacity) this.#values.shift();
    this.#svg.setAttribute("aria-label", label(this.#values.filter((value) => value !== null)));
    this.#draw();
  }

  #draw() {
    const known = this.#values.filter((value) => value !== null);
    // A line at zero is at the bottom, not in the middle.
    const top = Math.max(1, ...known);
    const step = WIDTH / (this.#capacity - 1);
    // The newest is at the right.
    const first = this.#capacity - this.#values.length;
    const at = (n) => ((first + n) * step).toFixed(1);
    const height = (value) => (HEIGHT - INSET - (value / top) * (HEIGHT - 2 * INSET)).toFixed(1);
    let line = "";
    let area = "";
    for (const run of runs(this.#values)) {
      const points = run.map(([n, value]) => `${at(n)} ${height(value)}`).join("L");
      line += `M${points}`;
      area += `M${at(run[0][0])} ${HEIGHT}L${points}L${at(run.at(-1)[0])} ${HEIGHT}Z`;
    }
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
  }
}

/** The stretches without a gap, as pairs of place and value. */
function runs(values) {
  const found = [];
  let run = [];
  for (const [n, value] of values.entries()) {
    if (value !== null) run.push([n, value]);
    else if (run.length > 0) found.push(run.splice(0));
  }
  if (run.length > 0) found.push(run);
  return found;
}

function part(name, role) {
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", role);
  return element;
}
