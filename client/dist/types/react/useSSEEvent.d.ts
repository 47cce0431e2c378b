import type { SSEEvent, SSEEvents } from "../index.js";
import { type UseSSEOptions } from "./options.js";
/** What `useSSEEvent` takes: it renders nothing, so it keeps nothing, and has one callback. */
export type UseSSEEventOptions<E = SSEEvents> = Omit<UseSSEOptions<E>, "maxEvents" | "onConnect" | "onDisconnect" | "onError" | "onEvent" | "onReset">;
/**
 * Calls `handler` for each event of one type, without a render. Shares the connection of every component with the same
 * options. The handler may be inline: the latest is called.
 */
export declare function useSSEEvent<E = SSEEvents, K extends keyof E = keyof E>(type: K, handler: (event: SSEEvent<E, K>) => void, options?: UseSSEEventOptions<E>): void;
