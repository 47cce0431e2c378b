import type { SSEEvent, SSEEvents, SSEReset } from "./events.js";
import { type ClientOptions, type ClientState, SSEError } from "./options.js";
/**
 * A stream of a fanfare server that is kept open: it comes back by itself where it was, each event is dispatched once and in
 * order, and a gap is told to `onReset`.
 */
export declare class FanfareClient<E = SSEEvents> {
    #private;
    constructor(options?: ClientOptions);
    /** Opens the stream, and keeps it open. Nothing more if that is so already. */
    connect(): void;
    /** Ends the stream, until `connect()`. */
    close(): void;
    /** Calls `handler` for each event of one type. All of these return what undoes them. */
    on<K extends keyof E>(type: K, handler: (event: SSEEvent<E, K>) => void): () => void;
    /** Calls `handler` for every event of the application: not for `connection` and `ping`. */
    onEvent(handler: (event: SSEEvent<E>) => void): () => void;
    /** Calls `handler` when events were missed: before those that follow. */
    onReset(handler: (reset: SSEReset) => void): () => void;
    onOpen(handler: (state: ClientState) => void): () => void;
    onClose(handler: (state: ClientState) => void): () => void;
    /** Calls `handler` for each attempt that fails, and each stream that is lost. */
    onError(handler: (error: SSEError) => void): () => void;
    getState(): ClientState;
    /** Calls `listener` when `getState()` has changed: not for each event, of which `lastEventId` tells. */
    subscribe(listener: () => void): () => void;
}
