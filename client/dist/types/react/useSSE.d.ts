import type { ClientState, SSEError, SSEEvent, SSEEvents } from "../index.js";
import { type UseSSEOptions } from "./options.js";
export interface UseSSEResult<E = SSEEvents> {
    readonly isConnected: boolean;
    readonly status: ClientState["status"];
    /** The newest event since this component was mounted; its `data` is parsed. */
    readonly lastEvent: SSEEvent<E> | null;
    /** The newest events since then, oldest first: at most `maxEvents`. */
    readonly events: readonly SSEEvent<E>[];
    readonly error: SSEError | null;
    readonly clientId: string | null;
    readonly attempts: number;
    /** Connects again: at once while it waits, anew after `disconnect` or a failure. Resumes where the stream stood. */
    readonly reconnect: () => void;
    /** Lets go of the connection, which is closed unless other components hold it. */
    readonly disconnect: () => void;
    /** Empties `events` and `lastEvent`. */
    readonly clear: () => void;
}
/**
 * The events of a stream. Components whose options are equal by value share one connection, which is closed after the last
 * of them is unmounted.
 */
export declare function useSSE<E = SSEEvents>(options?: UseSSEOptions<E>): UseSSEResult<E>;
