/** What a stream is made of, and how it is kept. Durations are in milliseconds. */
export interface ClientOptions {
    /** Address of the stream. Default `/api/sse`. */
    url?: string;
    /** Topics to follow; `*` is one token, a final `>` the rest. */
    topics?: readonly string[];
    /** Who the client claims to be, which a server in open mode believes. */
    userId?: string;
    sessionId?: string;
    meta?: Record<string, string>;
    /**
     * A bearer token; a function is asked before each attempt. `EventSource` has no header for it: there it goes into the query as
     * `access_token`, where logs may keep it.
     */
    token?: string | (() => string | null | Promise<string | null>);
    /** More fields of the request. `EventSource` cannot send them. */
    headers?: Record<string, string>;
    /** Whether cookies go to another origin, too. Default false. */
    withCredentials?: boolean;
    /**
     * `auto` takes `EventSource` where it serves: no header is needed, and the names of all wanted events are known
     * (`on`, not `onEvent`, and no shared tabs); else `fetch`. It also asks by `fetch` once after the browser gave up, to see the status.
     * `eventsource` never sees one: after 204 or a refusal it tries again, for ever without `maxReconnectAttempts`.
     */
    transport?: "auto" | "eventsource" | "fetch";
    /**
     * First step of the backoff: before an attempt the client waits as long as the server's `retry` says, and a random part of a step
     * that doubles with each attempt. Default 3000.
     */
    reconnectInterval?: number;
    /** Longest step of the backoff. Default 30000. */
    maxReconnectInterval?: number;
    /** Attempts in a row that do not open a stream, after which the client gives up. Default: none. */
    maxReconnectAttempts?: number;
    /**
     * Silence after which the stream counts as dead. Default 75000, two and a half heartbeats of the server (`--heartbeat-interval`);
     * 0: never. Half of it is enough, more than one heartbeat, where the machine may have slept: when the page is seen, shown from
     * the cache or focused again, or the network is back. `EventSource` does not hear heartbeats that are comments.
     */
    heartbeatTimeout?: number;
    /** How long the page is hidden until the stream is closed; it is resumed when the page is seen again. Default 0: never. */
    pauseWhenHidden?: number;
    /** Go on after this event. */
    lastEventId?: string;
    /**
     * Where to begin without a position: with all that the server's history holds (`"earliest"`), or with what was published since a
     * time ago (`"10m"`; ms, s, m, h, d) or since Unix ms. `onReset` tells where history has dropped some of it. Default: what comes from now on.
     */
    from?: "earliest" | (string & {}) | number;
    /** Keep the position in `sessionStorage`, under the address or the key that a text is, so that a reload resumes. */
    persist?: boolean | string;
    /**
     * One connection for all tabs of this origin with the same address and identity. Default false. Tabs that have a function as
     * `token` count as one user's; where they may be several users', a text that is another for each keeps them apart.
     */
    shareTabs?: boolean | string;
}
/** Where a client is in its life. `failed` is final until `connect()`; `error` says why. */
export type ClientStatus = "idle" | "connecting" | "open" | "waiting" | "paused" | "closed" | "failed";
/** A snapshot; another object takes its place when anything changes. */
export interface ClientState {
    readonly status: ClientStatus;
    readonly clientId: string | null;
    readonly userId: string | null;
    readonly sessionId: string | null;
    /** The last event dispatched, and where the stream is resumed. */
    readonly lastEventId: string;
    /** Attempts since the stream was last open. */
    readonly attempts: number;
    readonly error: SSEError | null;
    /** Whether this tab has the connection of several (`shareTabs`). */
    readonly role: "single" | "leader" | "follower";
}
/** Why a stream could not be opened, or ended. */
export declare class SSEError extends Error {
    readonly status: number;
    readonly final: boolean;
    readonly wait: number;
    /**
     * @param status The HTTP status; 0 where there was none to see.
     * @param final Whether another attempt makes no sense.
     * @param wait Milliseconds that the server asks to wait.
     */
    constructor(message: string, status?: number, final?: boolean, wait?: number);
}
/** The address of the stream with all that the options add to its query, and what else is not empty. */
export declare function streamUrl(options: ClientOptions, more?: Record<string, string | number | null | undefined>): string;
