import type { SSEReset } from "./events.js";
import type { ClientState, SSEError } from "./options.js";
import type { Position } from "./position.js";
/** An event sent from tab to tab, with the id of its own block; an empty type makes it a mere position. */
export type TabEvent = readonly [type: string, text: string, id: string | undefined];
/** A state sent from tab to tab. Structured cloning turns an `SSEError` into an `Error`, so its arguments are sent. */
export type SharedState = Omit<ClientState, "error"> & {
    readonly error: ConstructorParameters<typeof SSEError> | null;
};
/** What a tab does with messages of the others. */
export interface TabSink {
    /** This tab opens the connection for all. */
    lead(): void;
    /** The state to send to the others. */
    state(): SharedState;
    /** Another page of the group became visible. */
    wake(): void;
    /** Takes over the leader's state. */
    follow(state: SharedState): void;
    reset(reset: SSEReset): void;
    event(tabEvent: TabEvent): void;
}
/** Whether tabs of this browser can share a connection. */
export declare function canShare(): boolean;
/**
 * One of several tabs that share a stream. The holder of a Web Lock leads: it opens the connection and passes everything on
 * through a `BroadcastChannel`. When it goes, the browser gives the lock to the next tab, which resumes from its position.
 */
export declare class Tabs {
    #private;
    constructor(name: string, position: Position, sink: TabSink);
    get leads(): boolean;
    /** Keeps an event, and passes it on where this tab leads. */
    event(tabEvent: TabEvent): void;
    reset(reset: SSEReset): void;
    state(): void;
    /** Asks the leader to check that the connection is alive. */
    wake(): void;
    close(): void;
}
