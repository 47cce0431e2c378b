import { useCallback, useInsertionEffect, useRef, useState, useSyncExternalStore } from "react";
import type { ClientState, SSEError, SSEEvent, SSEEvents } from "../index.js";
import { Feed, newest } from "./feed.js";
import { connectionKey, type UseSSEOptions } from "./options.js";

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

const never = (): (() => void) => () => {};

/**
 * The events of a stream. Components whose options are equal by value share one connection, which is closed after the last
 * of them is unmounted.
 */
export function useSSE<E = SSEEvents>(options: UseSSEOptions<E> = {}): UseSSEResult<E> {
  const latest = useRef(options);
  useInsertionEffect(() => {
    latest.current = options;
  });

  const key = connectionKey(options);
  const [current, setCurrent] = useState(() => ({ key, feed: new Feed<E>(key, latest) }));
  let { feed } = current;
  if (current.key !== key) {
    // Another stream: what the one before brought is none of its events.
    feed = new Feed<E>(key, latest);
    setCurrent({ key, feed });
  }

  const [wanted, setWanted] = useState(true);
  const active = wanted && options.enabled !== false;
  const { state, events, lastEvent } = useSyncExternalStore(
    active ? feed.subscribe : never,
    feed.snapshot,
    feed.serverSnapshot,
  );

  const disconnect = useCallback(() => setWanted(false), []);
  const reconnect = useCallback(() => {
    setWanted(true);
    feed.reconnect();
  }, [feed]);

  const status = active ? state.status : wanted ? "idle" : "closed";
  return {
    isConnected: status === "open",
    status,
    lastEvent,
    events: newest(events, options.maxEvents),
    error: state.error,
    clientId: active ? state.clientId : null,
    attempts: state.attempts,
    reconnect,
    disconnect,
    clear: feed.clear,
  };
}
