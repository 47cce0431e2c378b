import { type ParserSink } from "./parser.js";
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
/** A stream by `fetch`, which takes headers and shows statuses. */
export declare function openFetch(url: string, init: RequestInit, sink: StreamSink): Close;
/** A stream by the browser's own `EventSource`: no headers, no statuses, and only events whose names are known. */
export interface NativeStream {
    readonly close: Close;
    /** Also events of this name. */
    listen(type: string): void;
}
export declare function openEventSource(url: string, withCredentials: boolean, sink: StreamSink): NativeStream;
