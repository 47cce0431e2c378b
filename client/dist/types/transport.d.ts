import { type ParserSink } from "./parser.js";
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
/** Opens a stream with `fetch`, which can send headers and shows the status. */
export declare function openFetch(url: string, init: RequestInit, sink: StreamSink): Close;
/** A stream of the browser's `EventSource`: no headers, no statuses, and only events whose names are known. */
export interface NativeStream {
    readonly close: Close;
    /** Also dispatches events of this name. */
    listen(type: string): void;
}
export declare function openEventSource(url: string, withCredentials: boolean, sink: StreamSink): NativeStream;
