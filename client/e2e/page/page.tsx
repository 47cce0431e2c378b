// A small application: as many components as a test asks for, each with the hook, and what each was told.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import type { SSEEvent, SSEReset } from "../../src/index.js";
import { useSSE, useSSEEvent, type UseSSEOptions } from "../../src/react/index.js";

interface Log {
  events: SSEEvent[];
  /** What came by `useSSEEvent("update", …)`. */
  updates: number;
  connects: number;
  disconnects: number;
  resets: SSEReset[];
  errors: string[];
}

/** Options as a test can send them: a token is asked of a function of the page by name. */
type Told = Omit<UseSSEOptions, "token"> & { token?: string };

declare global {
  interface Window {
    logs: Log[];
    show(options: Told, components: number): void;
    issueToken(): Promise<string>;
  }
}

window.logs = [];

function Shown({ told, log }: { told: Told; log: Log }) {
  const { token, ...options } = told;
  const [renders] = useState(() => ({ count: 0 }));
  renders.count += 1;
  // Everything inline, as people write it: no render may make the connection anew.
  const { status, events, lastEvent, reconnect, disconnect } = useSSE({
    ...options,
    ...(token === undefined ? {} : { token: () => window.issueToken() }),
    onConnect: () => (log.connects += 1),
    onDisconnect: () => (log.disconnects += 1),
    onError: (error) => log.errors.push(String(error)),
    onEvent: (event) => log.events.push(event),
    onReset: (reset) => log.resets.push({ ...reset }),
  });
  useSSEEvent("update", () => (log.updates += 1), {
    ...options,
    ...(token === undefined ? {} : { token: () => window.issueToken() }),
  });
  return (
    <section>
      <span data-part="status">{status}</span>
      <span data-part="kept">{events.length}</span>
      <span data-part="last">{JSON.stringify(lastEvent?.data)}</span>
      <button onClick={reconnect}>reconnect</button>
      <button onClick={disconnect}>disconnect</button>
    </section>
  );
}

const root = createRoot(document.getElementById("root")!);

window.show = (told, components) => {
  while (window.logs.length < components) {
    window.logs.push({ events: [], updates: 0, connects: 0, disconnects: 0, resets: [], errors: [] });
  }
  const shown = window.logs.slice(0, components).map((log, index) => <Shown key={index} told={told} log={log} />);
  root.render(<StrictMode>{shown}</StrictMode>);
};
