import { vi } from "vitest";
import type { ClientOptions } from "../../src/index.js";

/** One request of a client, and the stream that answers it. */
export class Request {
  readonly url: URL;
  readonly headers: Headers;
  readonly init: RequestInit;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #answer!: (response: Response) => void;
  readonly answered: Promise<Response>;
  /** The client has let go. */
  ended = false;

  constructor(url: string, init: RequestInit) {
    this.url = new URL(url);
    this.init = init;
    this.headers = new Headers(init.headers);
    this.answered = new Promise((resolve, reject) => {
      this.#answer = resolve;
      init.signal?.addEventListener("abort", () => {
        this.ended = true;
        reject(new DOMException("aborted", "AbortError"));
        try {
          this.#controller?.error(new DOMException("aborted", "AbortError"));
        } catch {
          // Closed before.
        }
      });
    });
    this.answered.catch(() => {});
  }

  get lastEventId(): string | null {
    return this.headers.get("Last-Event-ID");
  }

  /** Answers without a stream. */
  refuse(status: number, headers: Record<string, string> = {}): void {
    this.#answer(new Response(null, { status, headers }));
  }

  /** Answers with a stream, and the word that it begins with. */
  open(id = "1-0", word: object = {}): this {
    this.start();
    return this.send(`retry: 3000\n${connection(id, word)}`);
  }

  start(type = "text/event-stream"): this {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) });
    this.#answer(new Response(body, { headers: { "Content-Type": type } }));
    return this;
  }

  send(text: string): this {
    this.#controller.enqueue(new TextEncoder().encode(text));
    return this;
  }

  event(id: string, data: unknown, type = "update"): this {
    return this.send(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.#controller.close();
  }

  break(): void {
    this.#controller.error(new TypeError("network error"));
  }
}

export function connection(id: string, word: object = {}): string {
  const data = { status: "connected", clientId: "c", userId: null, sessionId: null, recovered: false, ...word };
  return `id: ${id}\nevent: connection\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Stands in for `fetch`: every request, in order. */
export function requests(): Request[] {
  const all: Request[] = [];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    all.push(request);
    return request.answered;
  });
  return all;
}

/** Lets what was begun come to its end, without a clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await vi.advanceTimersByTimeAsync(0);
}

export const OPTIONS: ClientOptions = { url: "http://server.test/api/sse", transport: "fetch" };
