import { act, cleanup, render, renderHook, waitFor } from "@testing-library/react";
import { StrictMode, useEffect, useState, version } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useSSE, useSSEEvent, type UseSSEOptions } from "../../src/react/index.js";
import { connections } from "../../src/react/pool.js";
import { Server } from "./server.js";

declare const REACT_MAJOR: string;

let server: Server;

beforeEach(() => {
  server = new Server();
});

afterEach(async () => {
  cleanup();
  await waitFor(() => expect([connections(), server.open]).toEqual([0, []]));
  vi.unstubAllGlobals();
});

/** With the transport that the scripted server speaks. */
const FETCH = { transport: "fetch" } as const;

function mount(options: UseSSEOptions = {}, strict = true) {
  let renders = 0;
  const hook = renderHook(
    (options: UseSSEOptions) => {
      renders += 1;
      return useSSE({ ...FETCH, ...options });
    },
    { initialProps: options, reactStrictMode: strict },
  );
  return { ...hook, renders: () => renders };
}

async function opened(hook: ReturnType<typeof mount>) {
  await waitFor(() => expect(hook.result.current.isConnected).toBe(true));
  return hook;
}

test("this is the React that the tests are meant for", () => {
  expect(version.split(".")[0]).toBe(REACT_MAJOR);
});

test("StrictMode makes one connection, of the defaults, and unmounting closes it", async () => {
  const hook = mount();
  expect(hook.result.current).toMatchObject({ isConnected: false, events: [], lastEvent: null, error: null });
  await opened(hook);
  expect(server.streams).toHaveLength(1);
  expect(server.streams[0]?.url.pathname).toBe("/api/sse");
  expect(hook.result.current).toMatchObject({ status: "open", clientId: "c1", attempts: 0 });

  hook.unmount();
  await waitFor(() => expect(server.open).toEqual([]));
  expect(server.streams).toHaveLength(1);
});

test("events come parsed, the newest last, and no more than asked for", async () => {
  const hook = await opened(mount({ maxEvents: 3 }));
  for (const percentage of [1, 2, 3, 4]) server.publish(["progress", { percentage }]);
  await waitFor(() => expect(hook.result.current.lastEvent?.data).toEqual({ percentage: 4 }));
  expect(hook.result.current.lastEvent?.type).toBe("progress");
  expect(hook.result.current.lastEvent?.id).toBe("1-4");
  expect(hook.result.current.events.map((event) => event.data)).toEqual([2, 3, 4].map((percentage) => ({ percentage })));
  expect(hook.result.current.events.at(-1)).toBe(hook.result.current.lastEvent);

  hook.rerender({ maxEvents: 1 });
  await waitFor(() => expect(hook.result.current.events).toHaveLength(1));
});

test("numbers beyond what JavaScript has are exact in the text of an event", async () => {
  const texts: string[] = [];
  const hook = await opened(mount({ onEvent: ({ text }) => texts.push(text) }));
  const one = renderHook(() => useSSEEvent("update", ({ text }) => texts.push(text), FETCH));
  await waitFor(() => expect(connections()).toBe(1));
  for (const stream of server.open) stream.write("id: 1-1\nevent: update\ndata: {\"id\":9007199254740993}\n\n");
  await waitFor(() => expect(hook.result.current.lastEvent?.text).toBe('{"id":9007199254740993}'));
  expect(hook.result.current.events.map(({ text }) => text)).toEqual(['{"id":9007199254740993}']);
  expect(texts).toEqual(Array(2).fill('{"id":9007199254740993}'));
  one.unmount();
});

test("a hundred events are held unless said otherwise, or none, and `clear` empties them", async () => {
  const [many, none] = [await opened(mount()), await opened(mount({ maxEvents: 0 }))];
  server.publish(...Array.from({ length: 250 }, (_, n): [string, unknown] => ["update", n]));
  await waitFor(() => expect(many.result.current.lastEvent?.data).toBe(249));
  expect(many.result.current.events.map((event) => event.data)).toEqual(Array.from({ length: 100 }, (_, n) => 150 + n));
  await waitFor(() => expect(none.result.current.lastEvent?.data).toBe(249));
  expect(none.result.current.events).toEqual([]);

  act(() => many.result.current.clear());
  expect([many.result.current.events, many.result.current.lastEvent]).toEqual([[], null]);
  expect(none.result.current.lastEvent?.data).toBe(249);
});

test("a burst in one piece is one render, and every event reaches the callback", async () => {
  const seen: unknown[] = [];
  const hook = await opened(mount({ onEvent: (event) => seen.push(event.data) }, false));
  const before = hook.renders();
  server.publish(...Array.from({ length: 50 }, (_, n): [string, unknown] => ["update", n]));
  await waitFor(() => expect(hook.result.current.lastEvent?.data).toBe(49));
  expect(seen).toEqual(Array.from({ length: 50 }, (_, n) => n));
  expect(hook.renders() - before).toBeLessThan(5);
});

test("inline options and callbacks neither connect anew nor go stale", async () => {
  const seen: string[] = [];
  function Inline() {
    const [name, setName] = useState("first");
    const { isConnected, lastEvent } = useSSE({
      ...FETCH,
      topics: ["b", "a"],
      meta: { page: "1", plan: "free" },
      headers: { "X-Trace": "1" },
      token: () => `token of ${name}`,
      onConnect: () => seen.push(`connect ${name}`),
      onEvent: (event) => seen.push(`${name} ${String(event.data)}`),
    });
    useEffect(() => {
      if (lastEvent?.data === 1) setName("second");
    }, [lastEvent]);
    return <p>{`${isConnected} ${name}`}</p>;
  }
  const page = render(<StrictMode><Inline /></StrictMode>);
  await page.findByText("true first");
  server.publish(["update", 1]);
  await page.findByText("true second");
  server.publish(["update", 2]);
  await waitFor(() => expect(seen).toEqual(["connect first", "first 1", "second 2"]));
  expect(server.streams).toHaveLength(1);

  // The next connection asks the closure of the last render.
  server.streams[0]?.end();
  await waitFor(() => expect(server.streams).toHaveLength(2));
  expect(server.streams.map(({ headers }) => headers.get("Authorization"))).toEqual([
    "Bearer token of first",
    "Bearer token of second",
  ]);
});

test("components with equal options share a connection, whatever the order they are written in", async () => {
  const told: string[] = [];
  function Part({ name, flip = false }: { name: string; flip?: boolean }) {
    const topics = flip ? ["y", "x"] : ["x", "y"];
    const meta: Record<string, string> = flip ? { b: "2", a: "1" } : { a: "1", b: "2" };
    const { isConnected, lastEvent } = useSSE({ ...FETCH, topics, meta, onConnect: () => told.push(name) });
    useSSEEvent("update", (event) => told.push(`${name} ${String(event.data)}`), { ...FETCH, topics, meta });
    return <p>{`${name} ${isConnected} ${String(lastEvent?.data)}`}</p>;
  }
  const page = render(<StrictMode><Part name="a" /><Part name="b" flip /></StrictMode>);
  await page.findByText("a true undefined");
  await page.findByText("b true undefined");
  page.rerender(<StrictMode><Part name="a" /><Part name="b" flip /><Part name="late" /></StrictMode>);
  await page.findByText("late true undefined");
  // Told of a connection that was open before it came.
  expect([...told].sort()).toEqual(["a", "b", "late"]);
  server.publish(["update", 1]);
  await page.findByText("late true 1");
  expect(server.streams).toHaveLength(1);
  expect([...told].sort()).toEqual(["a", "a 1", "b", "b 1", "late", "late 1"]);

  // Whoever stays keeps it.
  page.rerender(<StrictMode><Part name="late" /></StrictMode>);
  server.publish(["update", 2]);
  await waitFor(() => expect(told.at(-1)).toBe("late 2"));
  expect([server.streams.length, server.open.length]).toEqual([1, 1]);
});

test("other options are another connection, and their events are begun anew", async () => {
  const hook = await opened(mount({ url: "/room/1" }));
  server.publish(["message", "in 1"]);
  await waitFor(() => expect(hook.result.current.events).toHaveLength(1));

  hook.rerender({ url: "/room/2" });
  expect([hook.result.current.events, hook.result.current.isConnected]).toEqual([[], false]);
  await opened(hook);
  await waitFor(() => expect(server.open.map((stream) => stream.url.pathname)).toEqual(["/room/2"]));
  server.publish(["message", "in 2"]);
  await waitFor(() => expect(hook.result.current.events.map((event) => event.data)).toEqual(["in 2"]));
});

test("a key keeps connections with equal options apart", async () => {
  const [ada, bob] = [await opened(mount({ connectionKey: "ada" })), await opened(mount({ connectionKey: "bob" }))];
  expect(server.open).toHaveLength(2);
  ada.unmount();
  await waitFor(() => expect(server.open).toHaveLength(1));
  expect(bob.result.current.isConnected).toBe(true);
});

test("a page that takes the place of another goes on with its connection", async () => {
  function Page({ name }: { name: string }) {
    return <p>{`${name} ${useSSE(FETCH).status}`}</p>;
  }
  const view = render(<StrictMode><Page key="first" name="first" /></StrictMode>);
  await view.findByText("first open");
  view.rerender(<StrictMode><Page key="second" name="second" /></StrictMode>);
  await view.findByText("second open");
  server.publish(["update", 1]);
  await act(async () => {});
  expect([server.streams.length, server.open.length]).toEqual([1, 1]);
});

test("a token is asked of a component that is still there", async () => {
  const leaving = await opened(mount({ reconnectInterval: 1, token: () => "leaving" }));
  const staying = await opened(mount({ reconnectInterval: 1, token: () => "staying" }));
  leaving.unmount();
  server.streams[0]?.end();
  await waitFor(() => expect(server.streams).toHaveLength(2));
  expect(server.streams[1]?.headers.get("Authorization")).toBe("Bearer staying");
  await opened(staying);
});

test("a component that does not want the connection has none, and each connect is paired", async () => {
  const told: string[] = [];
  const callbacks = { onConnect: () => told.push("connect"), onDisconnect: () => told.push("disconnect") };
  const hook = mount({ ...callbacks, enabled: false });
  await act(async () => {});
  expect([hook.result.current.status, server.streams.length]).toEqual(["idle", 0]);
  hook.rerender({ ...callbacks, enabled: true });
  await opened(hook);
  hook.rerender({ ...callbacks, enabled: false });
  expect([hook.result.current.status, hook.result.current.clientId]).toEqual(["idle", null]);
  await waitFor(() => expect(server.open).toEqual([]));
  expect(told).toEqual(["connect", "disconnect"]);
  hook.rerender({ ...callbacks, enabled: true });
  await opened(hook);
  hook.unmount();
  expect(told).toEqual(["connect", "disconnect", "connect", "disconnect"]);
});

test("who disconnects lets go alone, and may come back", async () => {
  const [one, other] = [await opened(mount()), await opened(mount())];
  act(() => one.result.current.disconnect());
  expect([one.result.current.status, other.result.current.status]).toEqual(["closed", "open"]);
  expect(server.open).toHaveLength(1);
  act(() => other.result.current.disconnect());
  await waitFor(() => expect(server.open).toEqual([]));

  act(() => one.result.current.reconnect());
  await opened(one);
  expect([server.open.length, other.result.current.status]).toEqual([1, "closed"]);
});

test("who comes back does not stand as it once stood", async () => {
  const stood: string[] = [];
  const hook = renderHook(
    ({ enabled }: { enabled: boolean }) => {
      const { status, isConnected, clientId } = useSSE({ ...FETCH, enabled });
      stood.push(`${status} ${isConnected} ${clientId}`);
      return status;
    },
    { initialProps: { enabled: true }, reactStrictMode: true },
  );
  await waitFor(() => expect(hook.result.current).toBe("open"));
  hook.rerender({ enabled: false });
  await waitFor(() => expect(server.open).toEqual([]));
  stood.length = 0;
  hook.rerender({ enabled: true });
  await waitFor(() => expect(hook.result.current).toBe("open"));
  // The connection that it had is gone: none of its renders may show that one.
  expect(stood.filter((line) => line.includes("true") && !line.endsWith("c2"))).toEqual([]);
});

test("a lost stream is resumed, and a gap is told", async () => {
  const told: unknown[] = [];
  const hook = await opened(
    mount({
      reconnectInterval: 1,
      onConnect: () => told.push("connect"),
      onDisconnect: () => told.push("disconnect"),
      onReset: ({ reason }) => told.push(reason),
    }),
  );
  server.publish(["update", 1]);
  await waitFor(() => expect(hook.result.current.events).toHaveLength(1));
  server.streams[0]?.end();
  await waitFor(() => expect(server.streams).toHaveLength(2));
  await opened(hook);
  expect(server.streams[1]?.headers.get("Last-Event-ID")).toBe("1-1");
  expect(told).toEqual(["connect", "disconnect", "connect"]);

  server.streams[1]?.write(
    'id: 2-0\nevent: connection\ndata: {"status":"connected","clientId":"c","userId":null,"sessionId":null,"recovered":false,"reason":"epoch"}\n\n',
  );
  await waitFor(() => expect(told.at(-1)).toBe("epoch"));
});

test("a final refusal is an error that is shown, and another component tries again", async () => {
  const onError = vi.fn();
  server.refusal = () => new Response("no", { status: 404 });
  const hook = mount({ onError });
  await waitFor(() => expect(hook.result.current.status).toBe("failed"));
  expect(hook.result.current.error).toBeInstanceOf(Error);
  expect(onError).toHaveBeenCalledTimes(1);
  expect(onError).toHaveBeenCalledWith(hook.result.current.error);

  server.refusal = undefined;
  await opened(mount());
  await opened(hook);
  expect([server.streams.length, hook.result.current.error]).toEqual([1, null]);
});

test("after one attempt and five more it has failed, and `reconnect` begins anew", async () => {
  const attempt = vi.fn(() => {
    throw new TypeError("no network");
  });
  server.refusal = attempt;
  const hook = mount({ reconnectInterval: 1, maxReconnectInterval: 1 });
  await waitFor(() => expect(hook.result.current.status).toBe("failed"));
  expect(attempt).toHaveBeenCalledTimes(6);
  server.refusal = undefined;
  act(() => hook.result.current.reconnect());
  await opened(hook);
  expect(server.open).toHaveLength(1);
});

test("a callback that throws harms nobody", async () => {
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  const boom = new Error("boom");
  const thrower = {
    onConnect: () => {
      throw boom;
    },
    onEvent: () => {
      throw boom;
    },
  };
  const [bad, good] = [await opened(mount(thrower)), await opened(mount())];
  server.publish(["update", 1]);
  await waitFor(() => expect(good.result.current.lastEvent?.data).toBe(1));
  await waitFor(() => expect(bad.result.current.lastEvent?.data).toBe(1));
  expect(reported.mock.calls).toEqual([[boom], [boom]]);
});

test("the callbacks it returns are the same at each render", async () => {
  const hook = await opened(mount());
  const { reconnect, disconnect, clear } = hook.result.current;
  server.publish(["update", 1]);
  await waitFor(() => expect(hook.result.current.events).toHaveLength(1));
  expect(hook.result.current).toMatchObject({ reconnect, disconnect, clear });
});

test("a handler of one type hears that type alone, without a render", async () => {
  const heard: unknown[] = [];
  let renders = 0;
  const hook = renderHook(
    ({ prefix, enabled = true }: { prefix: string; enabled?: boolean }) => {
      renders += 1;
      useSSEEvent("notification", (event) => heard.push(`${prefix} ${event.data.title}`), { ...FETCH, enabled });
    },
    { initialProps: { prefix: "a" } as { prefix: string; enabled?: boolean }, reactStrictMode: true },
  );
  await waitFor(() => expect(server.open).toHaveLength(1));
  const before = renders;
  server.publish(["update", 1], ["notification", { title: "one" }]);
  await waitFor(() => expect(heard).toEqual(["a one"]));
  expect(renders).toBe(before);
  hook.rerender({ prefix: "b" });
  server.publish(["notification", { title: "two" }]);
  await waitFor(() => expect(heard).toEqual(["a one", "b two"]));
  expect(server.streams).toHaveLength(1);
  hook.rerender({ prefix: "b", enabled: false });
  await waitFor(() => expect(server.open).toEqual([]));
});
