// The network between browser and server, which a test can take away.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Network {
  #listener;
  #pairs = new Set();
  #port;
  /** What becomes of who connects. */
  #fate = "passed";
  /** How many connections got through. */
  passed = 0;
  /** How many requests were answered by `fail`. */
  failed = 0;

  /** Leads to that port of this machine. */
  static async to(test, port) {
    const network = new Network();
    network.#port = port;
    network.#listener = createServer((near) => network.#pass(near));
    network.#listener.listen(0, "127.0.0.1");
    await once(network.#listener, "listening");
    test.after(() => {
      network.cut();
      network.#listener.close();
    });
    return network;
  }

  get url() {
    return `http://127.0.0.1:${this.#listener.address().port}/api/sse`;
  }

  /** Breaks every connection, and lets nobody through until `mend`. */
  cut() {
    this.#break("cut");
  }

  /** Breaks every connection, and answers who comes as a proxy does that reaches no server, until `mend`. */
  fail() {
    this.#break("failed");
  }

  mend() {
    this.#fate = "passed";
  }

  #break(fate) {
    this.#fate = fate;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Every connection goes dead without a word, as where a cable is pulled or a router forgets; new ones get through. */
  freeze() {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  #pass(near) {
    near.on("error", () => {});
    if (this.#fate === "cut") {
      near.resetAndDestroy();
      return;
    }
    if (this.#fate === "failed") {
      near.once("data", () => {
        this.failed += 1;
        near.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      });
      return;
    }
    this.passed += 1;
    const far = connect(this.#port, "127.0.0.1");
    const pair = [near, far];
    this.#pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    far.on("error", () => {});
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  }
}
