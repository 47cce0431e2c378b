// The server, started as a process for one test, and what speaks to it beside the browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = process.env.FANFARE ?? fileURLToPath(new URL("../../target/debug/fanfare", import.meta.url));

export class Server {
  #child;
  /** The address of the panel, as the server prints it. */
  panel;
  origin;
  base;

  /** For that test, on a free port unless one is given, with these arguments besides. */
  static async start(test, args = [], port = 0) {
    const child = spawn(PROGRAM, ["serve", "--listen", `127.0.0.1:${port}`, ...args], {
      env: { RUST_LOG: "warn" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const server = new Server();
    server.#child = child;
    test.after(() => server.kill());
    for await (const line of createInterface(child.stdout)) {
      const stream = line.match(/^fanfare listens on (\S+)$/);
      if (stream) server.base = stream[1];
      const panel = line.match(/^Open the test panel: (\S+)$/);
      if (panel) {
        server.panel = panel[1];
        server.origin = new URL(server.panel).origin;
        return server;
      }
    }
    throw new Error("the server ended, or does not print where the panel is");
  }

  get port() {
    return Number(new URL(this.origin).port);
  }

  /** Publishes one event or several, and returns the answer. */
  async publish(...events) {
    const response = await fetch(`${this.base}/events`, {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
      body: events.map((event) => JSON.stringify(event)).join("\n"),
    });
    if (response.status !== 202) throw new Error(await response.text());
    return response.json();
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
