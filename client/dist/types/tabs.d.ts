import type { ClientState, SSEError, SSEReset } from "./index.js";
import type { Position } from "./position.js";
/** An event as it goes from tab to tab, with the id of its own block; without a type, only a position. */
export type Parcel = readonly [type: string, text: string, id: string | undefined];
/** A state as it goes from tab to tab: a copy of an `SSEError` is but an `Error`, so what it is made of goes instead. */
export type Told = Omit<ClientState, "error"> & {
    readonly error: ConstructorParameters<typeof SSEError> | null;
};
/** What a tab does with what it hears. */
export interface TabSink {
    /** It has the connection from now on. */
    lead(): void;
    /** How it stands. */
    state(): Told;
    /** A page that shares its connection is seen again. */
    wake(): void;
    /** It stands as its leader does. */
    follow(state: Told): void;
    reset(reset: SSEReset): void;
    event(parcel: Parcel): void;
}
/** Whether tabs of this browser can share a connection. */
export declare function canShare(): boolean;
/**
 * One tab of several with the same stream. The holder of a Web Lock leads: it has the connection and hands everything on by
 * a BroadcastChannel. When it is gone, the browser gives the lock to the next, which resumes where it is.
 */
export declare class Tabs {
    #private;
    constructor(name: string, position: Position, sink: TabSink);
    get leads(): boolean;
    /** Keeps what is new, and hands on what the connection brought. */
    event(parcel: Parcel): void;
    reset(reset: SSEReset): void;
    state(): void;
    /** Whoever has the connection is to look whether it is alive. */
    wake(): void;
    close(): void;
}
