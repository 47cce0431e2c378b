// A headless browser, and pages that notice whatever goes wrong in them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Ends the wait for what does not come, in ms. */
const PATIENCE = 60_000;

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? PATHS.find((path) => existsSync(path));
  assert.ok(executablePath, "no Chromium; name one in CHROMIUM");
  return chromium.launch({ executablePath, args: ARGS });
}

/** The panel in a page of its own. */
export class Panel {
  page;
  /** Everything that a test did not expect: errors, violations of the policy, requests to elsewhere. */
  troubles = [];
  /** Each request: method and URL. */
  requests = [];
  #server;

  /** With `ownClock`, the test can have time go faster there. */
  static async open(browser, server, { ownClock = false, ...options } = {}) {
    const panel = new Panel();
    panel.#server = server;
    const page = await browser.newPage(options);
    panel.page = page;
    page.setDefaultTimeout(PATIENCE);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) panel.troubles.push(message.text());
    });
    page.on("pageerror", (error) => panel.troubles.push(String(error)));
    page.on("request", (request) => {
      panel.requests.push(`${request.method()} ${request.url()}`);
      if (new URL(request.url()).origin !== server.origin) panel.troubles.push(`elsewhere: ${request.url()}`);
    });
    await page.exposeFunction("violated", (what) => panel.troubles.push(`policy: ${what}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => window.violated(event.effectiveDirective));
    });
    if (ownClock) await page.clock.install();
    await page.goto(server.panel);
    return panel;
  }

  /** Closes the page, in which nothing must have gone wrong but what is expected. */
  async close(expected = /^$/) {
    // Whatever is under way has been told by then.
    await this.page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    await this.page.close();
    assert.deepEqual(this.troubles.filter((trouble) => !expected.test(trouble)), []);
  }

  /** Waits until this has gone wrong. */
  async hasTrouble(wanted) {
    const deadline = Date.now() + PATIENCE;
    while (!this.troubles.includes(wanted)) {
      assert.ok(Date.now() < deadline, `${wanted} is not among ${this.troubles.join("\n")}`);
      await pause(20);
    }
  }

  get status() {
    return this.page.locator("#status");
  }

  /** The card of a stream. */
  card(name) {
    return this.page.getByRole("group", { name, exact: true });
  }

  button(name, inside = this.page) {
    return inside.getByRole("button", { name, exact: true });
  }

  /** Waits until an element says so. */
  async says(locator, text) {
    await locator.filter({ hasText: text }).waitFor();
  }

  /** Waits until a stream stands so. */
  async stands(name, state) {
    await this.says(this.card(name).locator("[data-part=state]"), new RegExp(`^${state}$`));
  }

  /** Rows of the history: of a stream, an event, or both. */
  rows({ stream, event } = {}) {
    let rows = this.page.locator(event === undefined ? ".row" : `.row[data-event="${event}"]`);
    if (stream !== undefined) rows = rows.filter({ has: this.page.locator(".from", { hasText: new RegExp(`^${stream}$`) }) });
    return rows;
  }

  /** What stands in that part of each row, oldest first. */
  async parts(rows, part) {
    return (await rows.locator(`[data-part=${part}]`).allTextContents()).reverse();
  }

  async openStream(fields) {
    const section = this.page.locator("#streams");
    if (!(await section.locator("form").isVisible())) await section.getByText("Open another stream").click();
    for (const [name, value] of Object.entries(fields)) await section.locator(`[name=${name}]`).fill(value);
    await this.button("Open stream").click();
    for (const name of Object.keys(fields)) await section.locator(`[name=${name}]`).fill("");
  }

  /** Fills the form for any event, and publishes. */
  async publish({ event, body, as = "data", audience = "all", ...others }) {
    const form = this.page.locator("form[data-form=event]");
    await this.button("Reset", form).click();
    await form.locator("details").evaluateAll((folds) => folds.forEach((fold) => (fold.open = true)));
    await form.locator(`[name=as][value=${as}]`).check();
    await form.locator(`[name=audience][value=${audience}]`).check();
    if (event !== undefined) await form.locator("[name=event]").fill(event);
    if (body !== undefined) await form.locator("[name=body]").fill(body);
    for (const [name, value] of Object.entries(others)) await form.locator(`[name=${name}]`).fill(value);
    await this.button("Publish", form).click();
  }

  get result() {
    return this.page.locator("#publish [data-result]");
  }

  /** Waits until each of these streams has everything that was published so far. */
  async settle(...streams) {
    const event = `settled-${randomUUID()}`;
    await this.#server.publish({ event, data: null });
    for (const stream of streams) await this.rows({ stream, event }).waitFor();
  }
}
