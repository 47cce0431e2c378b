import { Parser, type ParserSink } from "./parser.js";
import { SSEError } from "./options.js";

/** What a transport tells of one stream. */
export interface StreamSink extends ParserSink {
  /** Something came, if only a comment. */
  alive(): void;
  /** The stream is over. `returns`: the browser makes another by itself, for this same sink. */
  end(error: SSEError, returns?: boolean): void;
}

/** Ends the stream without another word to its sink. */
export type Close = () => void;

/** Statuses that another attempt may change; 401 and 403 only with another token. */
const PASSING = [408, 425, 429];

/** A stream by `fetch`, which takes headers and shows statuses. */
export function openFetch(url: string, init: RequestInit, sink: StreamSink): Close {
  const abort = new AbortController();
  const read = async (): Promise<void> => {
    const response = await fetch(url, { ...init, cache: "no-store", signal: abort.signal });
    sink.alive();
    check(response);
    const parser = new Parser(sink);
    const decoder = new TextDecoder();
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new SSEError("the server ended the stream", response.status);
      sink.alive();
      parser.push(decoder.decode(value, { stream: true }));
    }
  };
  read().catch((error: unknown) => {
    if (abort.signal.aborted) return;
    abort.abort();
    sink.end(error instanceof SSEError ? error : new SSEError(String(error)));
  });
  return () => abort.abort();
}

function check({ status, headers }: Response): void {
  if (status !== 200) {
    const final = status < 500 && !PASSING.includes(status);
    // Seconds; the other form, a date, is as good as none on clocks that differ.
    throw new SSEError(`the server answered ${status}`, status, final, Number(headers.get("Retry-After")) * 1000 || 0);
  }
  const type = headers.get("Content-Type") ?? "";
  if (essence(type) !== "text/event-stream") throw new SSEError(`not an event stream: ${type}`, 200, true);
}

/** The last of several types that is one, without its parameters. Browsers read it so, and forgive words and commas after it. */
function essence(type: string): string | undefined {
  const values = type.replace(/"(\\.|[^"])*("|$)/g, '""').split(",");
  const types = values.map((value) => value.trim().split(/[\s;(]/)[0]!.toLowerCase());
  return types.filter((type) => type.includes("/") && type !== "*/*").at(-1);
}

/** A stream by the browser's own `EventSource`: no headers, no statuses, and only events whose names are known. */
export interface NativeStream {
  readonly close: Close;
  /** Also events of this name. */
  listen(type: string): void;
}

export function openEventSource(
  url: string,
  withCredentials: boolean,
  sink: StreamSink,
): NativeStream {
  const source = new EventSource(url, { withCredentials });
  const listened = new Set<string>();
  let answered = false;
  let last = "";
  const listen = (type: string): void => {
    if (listened.has(type)) return;
    listened.add(type);
    source.addEventListener(type, (event: MessageEvent<string>) => {
      // The browser's own `error` or `open`.
      if (!("data" in event)) return;
      answered = true;
      sink.alive();
      // The browser tells the last id, and not whether it stood in this event's block: one that is the last again did not.
      const id = event.lastEventId === last ? undefined : event.lastEventId;
      last = event.lastEventId;
      sink.message(type, event.data, id);
    });
  };
  source.onopen = () => sink.alive();
  source.onerror = (event) => {
    // An event of the server with that name.
    if ("data" in event) return;
    // After a stream that was one, the browser comes back by itself, with the server's `retry`, which nobody else sees.
    const returns = answered && source.readyState === EventSource.CONNECTING;
    answered = false;
    if (returns) sink.alive();
    sink.end(new SSEError("the stream was lost"), returns);
  };
  return { close: () => source.close(), listen };
}
