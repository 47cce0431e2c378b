import { vi } from "vitest";

const encoder = new TextEncoder();

/** A stream that somebody asked for. */
export class Stream {
  /** Whether the client let go of it, or the server ended it. */
  ended = false;
  readonly url: URL;
  readonly headers: Headers;
  readonly response: Response;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(url: URL, init: RequestInit | undefined) {
    this.url = url;
    this.headers = new Headers(init?.headers);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.ended = true),
    });
    this.response = new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    init?.signal?.addEventListener("abort", () => {
      if (this.ended) return;
      this.ended = true;
      this.#controller.error(new DOMException("aborted", "AbortError"));
    });
  }

  write(text: string): void {
    this.#controller.enqueue(encoder.encode(text));
  }

  end(): void {
    this.ended = true;
    this.#controller.close();
  }
}

/** A scripted server in the place of `fetch`: it greets whoever connects, and publishes to all. */
export class Server {
  /** Every stream that was ever asked for. */
  readonly streams: Stream[] = [];
  /** Answered instead of a stream, while it is set. */
  refusal: (() => Response) | undefined;
  #seq = 0;

  constructor() {
    vi.stubGlobal("fetch", async (input: string | URL, init?: RequestInit) => {
      if (this.refusal !== undefined) return this.refusal();
      const stream = new Stream(new URL(String(input), location.href), init);
      this.streams.push(stream);
      const id = stream.headers.get("Last-Event-ID") ?? stream.url.searchParams.get("lastEventId");
      const greeting = { status: "connected", clientId: `c${this.streams.length}`, userId: null, sessionId: null };
      const data = id === null ? { ...greeting, recovered: false, reason: "none" } : { ...greeting, recovered: true };
      stream.write(`retry: 10\nid: ${id ?? `1-${this.#seq}`}\nevent: connection\ndata: ${JSON.stringify(data)}\n\n`);
      return stream.response;
    });
  }

  get open(): Stream[] {
    return this.streams.filter((stream) => !stream.ended);
  }

  /** Publishes these events, in one piece. */
  publish(...events: [type: string, data: unknown][]): void {
    const text = events.map(
      ([type, data]) => `id: 1-${(this.#seq += 1)}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`,
    );
    for (const stream of this.open) stream.write(text.join(""));
  }
}
