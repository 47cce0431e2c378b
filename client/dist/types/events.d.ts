/** Payload of `notification`. */
export interface NotificationPayload {
    readonly type?: string;
    readonly title: string;
    readonly message?: string;
    readonly data?: unknown;
}
/** Payload of `announcement`. */
export interface AnnouncementPayload {
    readonly title: string;
    readonly message: string;
    readonly level: "info" | "warning" | "error";
}
/** Payload of `progress`. */
export interface ProgressPayload {
    readonly operationId: string;
    /** 0 to 100. */
    readonly percentage: number;
    readonly message?: string;
    readonly completed: boolean;
}
/**
 * What each event carries. An application adds its own by declaration merging, or gives a map of its own as a type
 * parameter of the client or the hooks:
 *
 * ```ts
 * declare module "fanfare-client" {
 *   interface SSEEvents { "price": { symbol: string; value: number } }
 * }
 * ```
 */
export interface SSEEvents {
    message: unknown;
    notification: NotificationPayload;
    announcement: AnnouncementPayload;
    update: unknown;
    progress: ProgressPayload;
}
/**
 * One event: a union that `type` tells apart. `data` is the parsed JSON, or the text where it is not JSON. `text` is the data as it
 * was sent: what is lost in `data`, as the digits of numbers beyond 2^53, is there. `id` is the last id of the stream: the event's
 * own, or that of an event before it where it has none.
 */
export type SSEEvent<E = SSEEvents, K extends keyof E = keyof E> = {
    [P in K]: {
        readonly type: P;
        readonly data: E[P];
        readonly text: string;
        readonly id: string;
    };
}[K];
/** Events were missed, so whatever was built from them must be fetched anew. */
export interface SSEReset {
    /** `expired`, `epoch`, `future` or `invalid`, as the server's `connection` event says; `tab` where another tab no longer had them. */
    readonly reason: string;
    /** From where the stream goes on. */
    readonly lastEventId: string;
}
