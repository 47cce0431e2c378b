import type { SSEEvent, SSEEvents, SSEReset } from "./events.js";
import { type ClientOptions, type ClientState, SSEError } from "./options.js";
/**
 * Keeps a stream of a fanfare server open. It reconnects by itself, resumes after the last event, dispatches each event once
 * and in order, and reports a gap to `onReset`.
 */
export declare class FanfareClient<E = SSEEvents> {
    #private;
    constructor(options?: ClientOptions);
    /** Opens the stream and keeps it open. Does nothing if it already is. */
    connect(): void;
    /** Closes the stream until the next `connect()`. */
    close(): void;
    /** Calls `handler` for each event of one type. Like all of these, returns a function that removes the handler. */
    on<K extends keyof E>(type: K, handler: (event: SSEEvent<E, K>) => void): () => void;
    /** Calls `handler` for every event except the server's own, `connection` and `ping`. */
    onEvent(handler: (event: SSEEvent<E>) => void): () => void;
    /** Calls `handler` when events were missed, before the events that follow the gap. */
    onReset(handler: (reset: SSEReset) => void): () => void;
    onOpen(handler: (state: ClientState) => void): () => void;
    onClose(handler: (state: ClientState) => void): () => void;
    /** Calls `handler` for each failed attempt and each lost stream. */
    onError(handler: (error: SSEError) => void): () => void;
    getState(): ClientState;
    /** Calls `listener` when `getState()` changes, except for `lastEventId`, which changes with each event. */
    subscribe(listener: () => void): () => void;
}
