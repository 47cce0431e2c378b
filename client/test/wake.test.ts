// A machine that slept, and a page that nobody saw: timers stood still, and the clock went on.

import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientOptions, FanfareClient } from "../src/index.js";
import { asked, clients, setUp } from "./support/fixture.js";
import { Page } from "./support/page.js";
import { Source } from "./support/source.js";
import { OPTIONS, type Request, settle } from "./support/streams.js";

let page: Page;

setUp();

beforeEach(() => {
  page = Page.stub();
});

async function begun(options: ClientOptions = {}) {
  const client = new FanfareClient({ ...OPTIONS, ...options });
  clients.push(client);
  const told = { data: [] as unknown[], resets: 0, closes: 0 };
  client.onEvent(({ data }) => told.data.push(data));
  client.onReset(() => told.resets++);
  client.onClose(() => told.closes++);
  client.connect();
  await settle();
  return { client, told };
}

/** The clock goes on, and no timer with it. */
function sleep(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

async function happens(name: string): Promise<void> {
  page.happens(name);
  await settle();
}

function last(): Request {
  return asked.at(-1)!;
}

describe.each(["visibilitychange", "focus", "online", "pageshow", "resume"])("after `%s`", (name) => {
  test("a stream that was silent for longer than a heartbeat is opened anew at once, where it was", async () => {
    const { client, told } = await begun();
    last().open("1-0").event("1-1", 1);
    await settle();
    sleep(37_501);
    await happens(name);
    expect([asked.length, asked[0]!.ended, last().lastEventId, told.closes]).toEqual([2, true, "1-1", 1]);
    // What was on its way of the one before is none of this one's.
    last().open("1-1", { recovered: true }).event("1-2", 2);
    await settle();
    expect([told.data, told.resets, client.getState().status]).toEqual([[1, 2], 0, "open"]);
    // And again, once.
    await happens(name);
    expect(asked).toHaveLength(2);
  });

  test("a stream that was heard of within a heartbeat stays", async () => {
    await begun();
    last().open();
    await settle();
    sleep(30_000);
    last().send(":\n");
    await settle();
    sleep(30_001);
    await happens(name);
    expect([asked.length, last().ended]).toEqual([1, false]);
  });

  test("an attempt that nobody answered is made anew", async () => {
    await begun();
    sleep(37_501);
    await happens(name);
    expect([asked.length, asked[0]!.ended]).toEqual([2, true]);
  });

  test("an attempt that was due long since is made", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    await begun();
    last().refuse(502);
    await settle();
    sleep(3000);
    await happens(name);
    expect(asked).toHaveLength(2);
  });
});

test("a heartbeat is 0.4 of `heartbeatTimeout`, and half of that is silence enough", async () => {
  await begun({ heartbeatTimeout: 10_000 });
  last().open();
  await settle();
  sleep(4999);
  await happens("visibilitychange");
  expect(asked).toHaveLength(1);
  sleep(1);
  await happens("visibilitychange");
  expect(asked).toHaveLength(2);
});

test.each([0, Infinity])("with `heartbeatTimeout` %d silence is nothing", async (heartbeatTimeout) => {
  await begun({ heartbeatTimeout, reconnectInterval: 1 });
  last().refuse(502);
  await vi.advanceTimersByTimeAsync(10);
  last().open();
  await settle();
  sleep(1e9);
  for (const name of ["visibilitychange", "online", "focus"]) await happens(name);
  expect([asked.length, last().ended]).toEqual([2, false]);
});

test("while nobody sees the page nothing is made anew", async () => {
  await begun();
  last().open();
  await settle();
  sleep(1e6);
  page.hidden = true;
  await happens("visibilitychange");
  expect(asked).toHaveLength(1);
});

test("without a network nothing is made anew until there is one", async () => {
  await begun();
  last().open();
  await settle();
  sleep(1e6);
  vi.stubGlobal("navigator", { onLine: false });
  await happens("visibilitychange");
  expect(asked).toHaveLength(1);
  vi.stubGlobal("navigator", { onLine: true });
  await happens("online");
  expect(asked).toHaveLength(2);
});

test("what the sleep tore does not wait out the backoff", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  await begun({ reconnectInterval: 30_000 });
  last().open();
  await settle();
  sleep(1e6);
  // The browser tells of it before it shows the page.
  last().break();
  await settle();
  expect(asked).toHaveLength(1);
  await happens("visibilitychange");
  expect(asked).toHaveLength(2);
});

test.each([
  ["a `retry` that was drawn for it", (request: Request) => request.send('retry: 20000\nevent: connection\ndata: {"status":"draining"}\n\n').end()],
  ["Retry-After", (request: Request) => request.refuse(503, { "Retry-After": "20" })],
])("%s is kept to, by the clock", async (_, answer) => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const { client } = await begun();
  if (_ !== "Retry-After") last().open();
  await settle();
  sleep(1e6);
  answer(last());
  await settle();
  expect(client.getState().status).toBe("waiting");
  sleep(19_999);
  await happens("visibilitychange");
  expect(asked).toHaveLength(1);
  sleep(1);
  await happens("visibilitychange");
  expect(asked).toHaveLength(2);
});

test("a page that is looked at again and again asks no more often than it would", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  await begun();
  last().refuse(502);
  await settle();
  for (let look = 0; look < 50; look++) await happens("focus");
  expect(asked).toHaveLength(1);
});

test("a client that is closed, or has failed, does not wake", async () => {
  const [closed, failed] = [await begun(), await begun()];
  closed.client.close();
  last().refuse(404);
  await settle();
  sleep(1e6);
  for (const name of ["visibilitychange", "online", "focus", "pageshow", "resume"]) await happens(name);
  expect([asked.length, closed.client.getState().status, failed.client.getState().status]).toEqual([2, "closed", "failed"]);
});

test("the browser's own EventSource is made anew, too, also where it waits by itself", async () => {
  Source.stub();
  await begun({ transport: "eventsource" });
  const connected = { status: "connected", recovered: true };
  Source.all[0]!.say("connection", connected, "1-5");
  sleep(37_501);
  await happens("visibilitychange");
  expect([Source.all.length, Source.all[0]!.close.mock.calls.length, Source.all[1]!.query.get("lastEventId")]).toEqual([2, 1, "1-5"]);
  Source.all[1]!.say("connection", connected, "1-5");
  Source.all[1]!.lose(Source.CONNECTING);
  sleep(37_501);
  await happens("visibilitychange");
  expect([Source.all.length, Source.all[1]!.close.mock.calls.length]).toEqual([3, 1]);
});
