import { once } from "node:events";
import { createServer, type IncomingMessage, type Server as Listener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A server on this machine whose answers are scripted: by path, the first answer to the first request, and the last to all further ones. */
export class Server {
  readonly #listener: Listener;
  readonly #scripts = new Map<string, Answer[]>();
  /** What was asked, in order. */
  readonly asked: IncomingMessage[] = [];

  private constructor() {
    this.#listener = createServer((request, response) => {
      this.asked.push(request);
      const answers = this.#scripts.get(new URL(request.url!, "http://server").pathname) ?? [];
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer) answer(request, response);
      else response.writeHead(404).end();
    });
  }

  static async start(): Promise<Server> {
    const server = new Server();
    server.#listener.listen(0, "127.0.0.1");
    await once(server.#listener, "listening");
    return server;
  }

  /** Answers so at that path, whose address it returns. */
  at(path: string, ...answers: Answer[]): string {
    this.#scripts.set(path, answers);
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}${path}`;
  }

  async stop(): Promise<void> {
    this.#listener.closeAllConnections();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}

/** A stream of these bytes in pieces of that size, each a chunk of its own, that ends after them unless it is held. */
export function stream(text: string, { size = Infinity, type = "text/event-stream", hold = false } = {}): Answer {
  return async (_, response) => {
    response.writeHead(200, { "Content-Type": type });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += size) {
      response.write(bytes.subarray(at, at + size));
      // So that it leaves before the next.
      await new Promise(setImmediate);
    }
    if (!hold) response.end();
  };
}

/** An answer without a stream. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_, response) => response.writeHead(code, headers).end();
}
