import type { ClientOptions, ClientState, SSEError, SSEEvent, SSEEvents, SSEReset } from "../index.js";

/** The options of a connection, and what one component does with it. */
export interface UseSSEOptions<E = SSEEvents> extends ClientOptions {
  /** First step of the backoff in milliseconds. Default 3000. */
  reconnectInterval?: number;
  /** Further attempts in a row that open no stream, after which `status` is `failed`. Default 5. */
  maxReconnectAttempts?: number;
  /** How many of the newest events `events` holds. Default 100; 0 holds none. */
  maxEvents?: number;
  /** Whether this component wants the connection at all. Default true. */
  enabled?: boolean;
  /** Keeps this connection apart from others with the same options: only components with the same key share it. */
  connectionKey?: string;
  /** The stream is open, or was already when this component joined it. */
  onConnect?: (state: ClientState) => void;
  /** The stream is gone: lost, ended, or let go by this component. One call for each `onConnect`. */
  onDisconnect?: () => void;
  onError?: (error: SSEError) => void;
  /** Every event, one by one; `lastEvent` may skip some, since React joins updates. */
  onEvent?: (event: SSEEvent<E>) => void;
  onReset?: (reset: SSEReset) => void;
}

/** The options of the last committed render: callbacks may be inline and never make a connection anew. */
export interface Latest<E> {
  current: UseSSEOptions<E>;
}

/** Leaves what belongs to the connection, with the defaults of the hooks. */
export function connectionOptions<E>(options: UseSSEOptions<E>): ClientOptions {
  const { maxEvents, enabled, connectionKey, onConnect, onDisconnect, onError, onEvent, onReset, ...rest } = options;
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  return { reconnectInterval: 3000, maxReconnectAttempts: 5, ...Object.fromEntries(given) };
}

/**
 * Equal for options that mean the same connection, however the objects were made. A function (`token`) counts as being
 * there, not as itself, since an inline one is another at each render.
 */
export function connectionKey<E>(options: UseSSEOptions<E>): string {
  const { topics, ...rest } = connectionOptions(options);
  const order = topics === undefined ? [] : [...new Set(topics)].sort();
  return JSON.stringify([options.connectionKey ?? "", order, canonical(rest)]);
}

function canonical(value: unknown): unknown {
  if (typeof value === "function") return { function: true };
  // JSON has no Infinity.
  if (typeof value === "number") return { number: String(value) };
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return members.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, canonical(member)]);
}
