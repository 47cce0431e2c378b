// The real server, as a process of its own, and what speaks to it beside the browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "./deadline.js";

const program = process.env.FANFARE;
assert.ok(program, "FANFARE must name the program of the server: FANFARE=target/debug/fanfare npm run e2e");

export class Server {
  #child;
  #authorization;
  /** The address of the stream, as the server prints it. */
  url;

  /** For that test, with these arguments besides, on a free port unless one is given; publishes with that token. */
  static async start(test, args = [], { port = 0, token } = {}) {
    const child = spawn(program, ["serve", "--listen", `127.0.0.1:${port}`, "--workers", "1", "--cors-origin", "*", ...args], {
      env: { RUST_LOG: "warn" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const server = new Server();
    server.#child = child;
    server.#authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    test.after(() => server.kill());
    for await (const line of createInterface(child.stdout)) {
      const listens = line.match(/^fanfare listens on (\S+)$/);
      if (!listens) continue;
      server.url = listens[1];
      return server;
    }
    throw new Error("the server ended before it listened");
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Publishes one event or several, all or none. */
  async publish(...events) {
    const response = await fetch(`${this.url}/events`, {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson", ...this.#authorization },
      body: events.map((event) => JSON.stringify(event)).join("\n"),
    });
    assert.equal(response.status, 202, await response.text());
  }

  /** How many streams there are. */
  async streams() {
    const response = await fetch(`${this.url}/stats`, { headers: this.#authorization });
    assert.equal(response.status, 200);
    return (await response.json()).totalConnections;
  }

  async has(streams) {
    await eventually(async () => assert.equal(await this.streams(), streams));
  }

  /** Without a word to anybody. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Once every stream has left. */
  async stop() {
    await this.#end("SIGTERM");
  }

  async #end(signal) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await once(this.#child, "exit");
  }
}

/** Issues tokens, and writes the secret where the server reads it. */
export class Issuer {
  #secret = "a secret of more than thirty-two bytes, for tests";
  file;

  static async create(test) {
    const issuer = new Issuer();
    const directory = await mkdtemp(join(tmpdir(), "fanfare-e2e-"));
    test.after(() => rm(directory, { recursive: true }));
    issuer.file = join(directory, "secret");
    await writeFile(issuer.file, issuer.#secret);
    return issuer;
  }

  /** A token (HS256) with these claims. */
  sign(claims) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${signed}.${createHmac("sha256", this.#secret).update(signed).digest("base64url")}`;
  }
}
