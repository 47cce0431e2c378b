import { Parser, type ParserSink } from "./parser.js";
import { SSEError } from "./options.js";

/** Callbacks of a transport for one stream. */
export interface StreamSink extends ParserSink {
  /** Something was received, if only a comment. */
  alive(): void;
  /** The stream ended. `returns`: the browser reconnects by itself, for this same sink. */
  end(error: SSEError, returns?: boolean): void;
}

/** Closes the stream; its sink is not called any more. */
export type Close = () => void;

/** Client error statuses that are worth another attempt. 401 and 403 are only with another token. */
const PASSING = [408, 425, 429];

/** Opens a stream with `fetch`, which can send headers and shows the status. */
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
    // In seconds. The other form, a date, is ignored: the clocks may differ.
    throw new SSEError(`the server answered ${status}`, status, final, Number(headers.get("Retry-After")) * 1000 || 0);
  }
  const type = headers.get("Content-Type") ?? "";
  if (essence(type) !== "text/event-stream") throw new SSEError(`not an event stream: ${type}`, 200, true);
}

/** The last valid media type of the field, without parameters, as browsers read it (WHATWG MIME Sniffing). */
function essence(type: string): string | undefined {
  const values = type.replace(/"(\\.|[^"])*("|$)/g, '""').split(",");
  const types = values.map((value) => value.trim().split(/[\s;(]/)[0]!.toLowerCase());
  return types.filter((type) => type.includes("/") && type !== "*/*").at(-1);
}

/** A stream of the browser's `EventSource`: no headers, no statuses, and only events whose names are known. */
export interface NativeStream {
  readonly close: Close;
  /** Also dispatches events of this name. */
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
      // The browser gives the last id, whether or not it stood in this event's block: if it is unchanged, it did not.
      const id = event.lastEventId === last ? undefined : event.lastEventId;
      last = event.lastEventId;
      sink.message(type, event.data, id);
    });
  };
  source.onopen = () => sink.alive();
  source.onerror = (event) => {
    // An event of the server with that name.
    if ("data" in event) return;
    // After a stream that opened, the browser reconnects by itself, after a `retry` that only it knows.
    const returns = answered && source.readyState === EventSource.CONNECTING;
    answered = false;
    if (returns) sink.alive();
    sink.end(new SSEError("the stream was lost"), returns);
  };
  return { close: () => source.close(), listen };
}
