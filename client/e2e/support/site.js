// An application that uses the hook, in a real browser.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
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

const PAGE = '<!doctype html><meta charset="utf-8"><title>e2e</title><div id="root"></div><script type="module" src="/page.js"></script>';

/** Serves the application and opens it in tabs of one browser, until the tests are over. */
export class Site {
  #browser;
  #listener;

  static async open() {
    const executablePath = process.env.CHROMIUM ?? PATHS.find((path) => existsSync(path));
    assert.ok(executablePath, "no Chromium; name one in CHROMIUM");
    const bundled = build({
      entryPoints: [fileURLToPath(new URL("../page/page.tsx", import.meta.url))],
      bundle: true,
      format: "esm",
      write: false,
      jsx: "automatic",
      // What StrictMode does, it does in development only.
      define: { "process.env.NODE_ENV": '"development"' },
    });
    const site = new Site();
    site.#browser = await chromium.launch({ executablePath, args: ARGS });
    const script = (await bundled).outputFiles[0].text;
    site.#listener = createServer((request, response) => {
      const isScript = request.url === "/page.js";
      const found = isScript || request.url === "/";
      response.writeHead(found ? 200 : 404, { "Content-Type": isScript ? "text/javascript" : "text/html" });
      response.end(found ? (isScript ? script : PAGE) : "");
    });
    site.#listener.listen(0, "127.0.0.1");
    await once(site.#listener, "listening");
    return site;
  }

  async close() {
    await this.#browser.close();
    this.#listener.closeAllConnections();
    this.#listener.close();
  }

  /** A browser profile of its own, for one test. */
  async profile(test) {
    const profile = await this.#browser.newContext();
    test.after(() => profile.close());
    return profile;
  }

  /** A page of another address, until the tests are over. */
  async blank(url) {
    const page = await this.#browser.newPage();
    page.setDefaultTimeout(300_000);
    await page.goto(url);
    return page;
  }

  /** The application in a tab: of that profile, or of one of its own. */
  async tab(test, profile) {
    profile ??= await this.profile(test);
    const page = await profile.newPage();
    page.setDefaultTimeout(300_000);
    const tab = new Tab(page);
    page.on("pageerror", (error) => tab.troubles.push(String(error)));
    await page.goto(`http://127.0.0.1:${this.#listener.address().port}/`);
    return tab;
  }
}

export class Tab {
  /** What was thrown in it, and caught nowhere. */
  troubles = [];
  page;

  constructor(page) {
    this.page = page;
  }

  /** Shows that many components, all with these options; `token` names a function of the page. */
  async show(options, components = 1) {
    await this.page.evaluate(([options, components]) => window.show(options, components), [options, components]);
  }

  /** Waits until the components say so. */
  async stands(status) {
    await this.page.waitForFunction(
      (status) => {
        const shown = [...document.querySelectorAll("[data-part=status]")];
        return shown.length > 0 && shown.every((element) => element.textContent === status);
      },
      status,
    );
  }

  /** Waits until a component says that it has lost its stream, or, for a moment, that it asks for another. */
  async isAway() {
    await this.page.waitForFunction(() => ["waiting", "connecting"].includes(document.querySelector("[data-part=status]").textContent));
  }

  /** What one component was called back with so far. */
  log(component = 0) {
    return this.page.evaluate((component) => window.logs[component], component);
  }

  /** Waits until a component has had a `message`, and returns the data of all before it. */
  async untilEnd(component = 0) {
    await this.page.waitForFunction((component) => window.logs[component]?.events.at(-1)?.type === "message", component);
    const { events } = await this.log(component);
    return events.slice(0, -1).map((event) => event.data);
  }

  /** Waits until a component has had so many events, and returns the data of all. */
  async count(events, component = 0) {
    await this.page.waitForFunction(
      ([events, component]) => window.logs[component]?.events.length >= events,
      [events, component],
    );
    return (await this.log(component)).events.map((event) => event.data);
  }
}

/** The numbers from one to another, both included. */
export function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** As many events, with these numbers. */
export function numbered(from, to, type = "update") {
  return range(from, to).map((data) => ({ event: type, data }));
}
