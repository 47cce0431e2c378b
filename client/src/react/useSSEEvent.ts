import { useEffect, useInsertionEffect, useRef } from "react";
import type { SSEEvent, SSEEvents } from "../index.js";
import { connectionKey, type UseSSEOptions } from "./options.js";
import { hold } from "./pool.js";

/** What `useSSEEvent` takes: it renders nothing, so it keeps nothing, and has one callback. */
export type UseSSEEventOptions<E = SSEEvents> = Omit<
  UseSSEOptions<E>,
  "maxEvents" | "onConnect" | "onDisconnect" | "onError" | "onEvent" | "onReset"
>;

/**
 * Calls `handler` for each event of one type, without a render. Shares the connection of every component with the same
 * options. The handler may be inline: the latest is called.
 */
export function useSSEEvent<E = SSEEvents, K extends keyof E = keyof E>(
  type: K,
  handler: (event: SSEEvent<E, K>) => void,
  options: UseSSEEventOptions<E> = {},
): void {
  const latest = useRef<UseSSEOptions<E>>(options);
  const call = useRef(handler);
  useInsertionEffect(() => {
    latest.current = options;
    call.current = handler;
  });

  const key = connectionKey(options);
  const enabled = options.enabled !== false;
  useEffect(() => {
    if (!enabled) return;
    const { client, release } = hold(key, latest);
    const end = client.on(type, (event) => call.current(event));
    return () => {
      end();
      release();
    };
  }, [key, type, enabled]);
}
