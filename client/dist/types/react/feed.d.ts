import type { ClientState, SSEEvent } from "../index.js";
import { type Latest } from "./options.js";
/** What a component shows. Never changed: another takes its place. */
export interface Snapshot<E> {
    readonly state: ClientState;
    readonly events: readonly SSEEvent<E>[];
    readonly lastEvent: SSEEvent<E> | null;
}
/** What a connection gives one component: an external store for `useSyncExternalStore`, and the component's callbacks. */
export declare class Feed<E> {
    #private;
    constructor(key: string, latest: Latest<E>);
    /** What a server renders, and what the browser takes over from it. */
    readonly serverSnapshot: () => Snapshot<E>;
    readonly snapshot: () => Snapshot<E>;
    /** Takes hold of the connection as long as somebody listens. */
    readonly subscribe: (listener: () => void) => (() => void);
    readonly clear: () => void;
    /** Makes the connection anew, from where it stands. */
    readonly reconnect: () => void;
}
export declare function newest<T>(events: readonly T[], max?: number): readonly T[];
