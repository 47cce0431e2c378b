import { Parser, type ParserSink } from "./parser.js";
import { SSEError } from "./options.js";

/** Callbacks of a transport for one stream. */
export interface StreamSink extends ParserSink {
  /** Something was received, if only a comment. */
  alive(): void;
  /** The stream ended. `returns`, of `EventSource` alone: whether the browser reconnects by itself, for this same sink. */
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
  let answered = false;
  let last = "";
  /** The event that brought that id. */
  let bringer = "";
  /** Right after a reconnect: the event that the server may send once more. */
  let expected = "";
  const hear = (event: MessageEvent<string>): void => {
    // The browser's own `error` or `open`.
    if (!("data" in event)) return;
    answered = true;
    sink.alive();
    // The browser gives the last id, whether or not it stood in this event's block: if it is unchanged, it did not, unless
    // this is the first event after a reconnect and the very one that came with it before.
    const { type, data, lastEventId } = event;
    const key = `${type}\n${data}`;
    const isOwn = lastEventId !== last || key === expected;
    if (isOwn) [last, bringer] = [lastEventId, key];
    expected = "";
    sink.message(type, data, isOwn ? last : undefined);
  };
  source.onopen = sink.alive;
  source.onerror = (event) => {
    // An event of the server with that name.
    if ("data" in event) return;
    // After a stream that opened, the browser reconnects by itself, after a `retry` that only it knows.
    const returns = answered && source.readyState === EventSource.CONNECTING;
    answered = false;
    expected = bringer;
    if (returns) sink.alive();
    sink.end(new SSEError("the stream was lost"), returns);
  };
  // A name that is listened to is not heard twice: the listener is the same.
  return { close: () => source.close(), listen: (type) => source.addEventListener(type, hear) };
}
