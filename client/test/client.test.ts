import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientOptions, FanfareClient, type SSEReset } from "../src/index.js";
import { asked, clients, setUp } from "./support/fixture.js";
import { Page } from "./support/page.js";
import { Source } from "./support/source.js";
import { connection, OPTIONS, type Request, settle } from "./support/streams.js";

setUp();

/** A client that has asked, and what its handlers were told. */
async function begun(options: ClientOptions = {}) {
  const client = new FanfareClient({ ...OPTIONS, ...options });
  clients.push(client);
  const told = { data: [] as unknown[], resets: [] as SSEReset[], errors: [] as string[], opens: 0, closes: 0 };
  client.onEvent((event) => told.data.push(event.data));
  client.onReset((reset) => told.resets.push(reset));
  client.onError((error) => told.errors.push(error.message));
  client.onOpen(() => told.opens++);
  client.onClose(() => told.closes++);
  client.connect();
  await settle();
  return { client, told };
}

function last(): Request {
  return asked.at(-1)!;
}

async function after(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await settle();
}

describe("a stream", () => {
  test("asks for what the options say, and tells what comes", async () => {
    const { client, told } = await begun({
      topics: ["a.*", "b"],
      userId: "ada",
      sessionId: "s",
      meta: { room: "1" },
      headers: { "X-A": "b" },
      withCredentials: true,
    });
    expect(last().url.search).toBe("?topic=a.*&topic=b&userId=ada&sessionId=s&meta.room=1");
    expect([last().headers.get("Accept"), last().headers.get("X-A"), last().lastEventId]).toEqual(["text/event-stream", "b", null]);
    expect(last().init.credentials).toBe("include");
    const own: unknown[] = [];
    client.on("notification", (event) => own.push(event));
    last().open("1-0", { clientId: "c1", userId: "ada", sessionId: "s" }).event("1-1", { title: "A" }, "notification").event("1-2", 7);
    last().send("event: ping\ndata: {}\n\nid: 1-3\ndata: no JSON\n\n");
    await settle();
    expect(own).toEqual([{ type: "notification", data: { title: "A" }, text: '{"title":"A"}', id: "1-1" }]);
    expect(told.data).toEqual([{ title: "A" }, 7, "no JSON"]);
    expect(client.getState()).toMatchObject({ status: "open", clientId: "c1", userId: "ada", sessionId: "s", lastEventId: "1-3", attempts: 0, error: null });
    // The first stream has missed nothing.
    expect(told).toMatchObject({ resets: [], opens: 1, closes: 0, errors: [] });
  });

  test("begins in history where it has no position, and tells what is missing there", async () => {
    for (const [from, query] of [["earliest", "?lastEventId=earliest"], ["10m", "?since=10m"], [1790000000000, "?since=1790000000000"]] as const) {
      const { told } = await begun({ from });
      expect([last().url.search, last().lastEventId]).toEqual([query, null]);
      last().open("1-3", { recovered: false, reason: "expired" }).event("1-4", 4);
      await settle();
      expect(told).toMatchObject({ data: [4], resets: [{ reason: "expired", lastEventId: "1-3" }] });
      // From then on it has a position.
      last().end();
      await after(60_000);
      expect([last().url.search, last().lastEventId]).toEqual(["", "1-4"]);
    }
    const { told } = await begun({ from: "earliest" });
    last().open("1-0", { recovered: true }).event("1-1", 1);
    await settle();
    expect(told).toMatchObject({ data: [1], resets: [] });
    await begun({ from: "earliest", lastEventId: "1-7" });
    expect([last().url.search, last().lastEventId]).toEqual(["", "1-7"]);
  });

  test("is one, however often it is asked for, and ends for good", async () => {
    const { client, told } = await begun();
    client.connect();
    await settle();
    expect(asked).toHaveLength(1);
    last().open();
    await settle();
    client.close();
    client.close();
    expect(last().ended).toBe(true);
    expect(client.getState()).toMatchObject({ status: "closed", clientId: null });
    await after(1_000_000);
    expect([asked.length, told.closes]).toEqual([1, 1]);
    client.connect();
    await settle();
    // From where it was.
    expect([asked.length, last().lastEventId]).toEqual([2, "1-0"]);
  });

  test("is resumed after the last event, with nothing twice", async () => {
    const { told } = await begun({ reconnectInterval: 100 });
    last().open("1-5").event("1-6", 6).event("1-7", 7);
    await settle();
    last().break();
    await after(6000);
    expect(last().lastEventId).toBe("1-7");
    last().open("1-7", { recovered: true }).event("1-7", 7).event("1-8", 8);
    await settle();
    expect(told).toMatchObject({ data: [6, 7, 8], resets: [], opens: 2, closes: 1 });
  });

  test("that was lost before its first event is resumed where it began", async () => {
    await begun();
    last().open("1-41");
    await settle();
    last().break();
    await after(6000);
    expect(last().lastEventId).toBe("1-41");
  });

  test("tells a gap before what follows it", async () => {
    const { client, told } = await begun();
    last().open("1-5").event("1-6", "a").end();
    await after(6000);
    const order: string[] = [];
    client.onReset(({ reason }) => order.push(reason));
    client.onEvent(({ data }) => order.push(String(data)));
    last().open("2-0", { reason: "epoch" }).event("2-1", "b");
    await settle();
    expect(order).toEqual(["epoch", "b"]);
    expect(told.resets).toEqual([{ reason: "epoch", lastEventId: "2-0" }]);
  });

  test("handlers that throw harm nobody, and those that left hear nothing", async () => {
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const { client, told } = await begun();
    const leave = client.on("update", () => {
      throw new Error("mine");
    });
    last().open().event("1-1", 1);
    await settle();
    leave();
    last().event("1-2", 2);
    await settle();
    expect(told.data).toEqual([1, 2]);
    expect(report).toHaveBeenCalledOnce();
  });

  test("that a handler ends is over at once, whatever came in the same piece", async () => {
    const { client, told } = await begun();
    client.on("update", ({ data }) => data === 1 && client.close());
    last().start().send(`${connection("1-0")}${[1, 2].map((n) => `id: 1-${n}\nevent: update\ndata: ${n}\n\n`).join("")}`);
    await settle();
    expect(told).toMatchObject({ data: [1], opens: 1, closes: 1 });
    expect(client.getState()).toMatchObject({ status: "closed", lastEventId: "1-1" });
    client.connect();
    await settle();
    // What was left comes again.
    expect([asked.length, last().lastEventId]).toEqual([2, "1-1"]);
  });

  test("that is ended as soon as it is told of is none", async () => {
    const client = new FanfareClient(OPTIONS);
    clients.push(client);
    const leave = client.subscribe(() => {
      leave();
      client.close();
    });
    client.connect();
    await after(1_000_000);
    expect([asked.length, client.getState().status]).toEqual([0, "closed"]);
  });

  test("that is ended just as it is answered is never made anew", async () => {
    const { client } = await begun({ heartbeatTimeout: 1000 });
    // Between the answer and whoever waits for it.
    last().open();
    client.close();
    await after(1_000_000);
    expect([asked.length, client.getState().status]).toEqual([1, "closed"]);
  });

  test("a snapshot is the same until something changes", async () => {
    const { client } = await begun();
    const before = client.getState();
    expect(client.getState()).toBe(before);
    const listener = vi.fn();
    client.subscribe(listener);
    last().open();
    await settle();
    expect(client.getState()).not.toBe(before);
    expect(listener).toHaveBeenCalled();
  });
});

describe("coming back", () => {
  test("waits a random part of a step that doubles up to the cap", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await begun({ reconnectInterval: 1000, maxReconnectInterval: 3000 });
    for (const wait of [500, 1000, 1500, 1500]) {
      const before = asked.length;
      last().refuse(500);
      await after(wait - 1);
      expect(asked).toHaveLength(before);
      await after(1);
      expect(asked).toHaveLength(before + 1);
    }
  });

  test("waits out the server's `retry`, and clients that lost their server together do not return together", async () => {
    const random = vi.spyOn(Math, "random").mockReturnValue(0.25);
    await begun({ reconnectInterval: 4000 });
    last().open().send("retry: 50000\n").end();
    await after(50_999);
    expect(asked).toHaveLength(1);
    await after(1);
    random.mockReturnValue(0.75);
    last().open().send("retry: 8000\n").end();
    await after(10_999);
    expect(asked).toHaveLength(2);
    await after(1);
    expect(asked).toHaveLength(3);
  });

  test("backs off also from a server that asks to be asked again at once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    await begun();
    last().open().send("retry: 0\n").end();
    await settle();
    await after(10);
    for (let attempt = 0; attempt < 8; attempt++) {
      last().refuse(503);
      await after(1000);
    }
    const before = asked.length;
    last().refuse(503);
    await after(100);
    expect(asked).toHaveLength(before);
  });

  test("a Retry-After longer than timers go is long", async () => {
    await begun();
    last().refuse(503, { "Retry-After": "99999999" });
    await after(1_000_000);
    expect(asked).toHaveLength(1);
  });

  test("a `retry` longer than timers go is ignored: the one before stands", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    await begun();
    last().open().send("retry: 5000\nretry: 99999999999\n").end();
    await after(4999);
    expect(asked).toHaveLength(1);
    await after(1);
    expect(asked).toHaveLength(2);
  });

  test("a refusal that asks to be asked again at once is backed off from", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    await begun();
    for (const step of [3000, 6000, 12_000]) {
      const before = asked.length;
      last().start().send("retry: 0\nevent: connection\ndata: {\"status\":\"refused\",\"reason\":\"full\"}\n\n").end();
      await after(step * 0.99);
      expect(asked).toHaveLength(before);
      await after(step * 0.01);
      expect(asked).toHaveLength(before + 1);
    }
  });

  test("a watchdog that waits for ever never barks", async () => {
    const { told } = await begun({ heartbeatTimeout: Infinity });
    last().open();
    await after(1_000_000);
    expect([asked.length, told.errors]).toEqual([1, []]);
  });

  test("keeps to the server's `retry` where the server ended the stream", async () => {
    await begun({ reconnectInterval: 1 });
    last().open().send("retry: 7000\nevent: connection\ndata: {\"status\":\"draining\"}\n\n").end();
    await after(6999);
    expect(asked).toHaveLength(1);
    await after(1);
    expect(asked).toHaveLength(2);
  });

  test("a stream that is refused for now does not count as open", async () => {
    const { client, told } = await begun({ maxReconnectAttempts: 2 });
    for (const attempt of [1, 2]) {
      last().start().send("retry: 5000\nevent: connection\ndata: {\"status\":\"refused\",\"reason\":\"full\"}\n\n").end();
      await settle();
      expect(client.getState()).toMatchObject({ status: "waiting", attempts: attempt });
      await after(4999);
      expect(asked).toHaveLength(attempt);
      await after(1);
      expect(asked).toHaveLength(attempt + 1);
    }
    last().refuse(503);
    await settle();
    expect(client.getState().status).toBe("failed");
    expect(told.opens).toBe(0);
  });

  test("honours Retry-After", async () => {
    await begun({ reconnectInterval: 1 });
    last().refuse(429, { "Retry-After": "20" });
    await after(19_999);
    expect(asked).toHaveLength(1);
    await after(1);
    expect(asked).toHaveLength(2);
  });

  test.each([400, 401, 403, 404, 406, 413, 414, 431])("%i is final", async (status) => {
    const { client, told } = await begun();
    last().refuse(status);
    await after(1_000_000);
    expect(asked).toHaveLength(1);
    expect(client.getState()).toMatchObject({ status: "failed", error: { status, final: true } });
    expect(told.errors).toEqual([`the server answered ${status}`]);
  });

  test.each([408, 429, 500, 502, 503])("%i passes", async (status) => {
    await begun({ reconnectInterval: 10 });
    last().refuse(status);
    await after(10);
    expect(asked).toHaveLength(2);
  });

  test("204 ends it, and a page is no stream", async () => {
    const { client } = await begun();
    last().refuse(204);
    await settle();
    expect(client.getState().status).toBe("closed");
    client.connect();
    await settle();
    last().start("text/html");
    await settle();
    expect(client.getState()).toMatchObject({ status: "failed", error: { status: 200 } });
  });

  test("a token is asked for anew at each attempt, also after 401", async () => {
    let count = 0;
    const { client } = await begun({ reconnectInterval: 10, token: async () => `t${++count}` });
    expect(last().headers.get("Authorization")).toBe("Bearer t1");
    last().refuse(401);
    await after(10);
    expect(last().headers.get("Authorization")).toBe("Bearer t2");
    last().open();
    await settle();
    expect(client.getState().status).toBe("open");
  });

  test("a token that cannot be had is an attempt that failed", async () => {
    const { client, told } = await begun({ reconnectInterval: 10, maxReconnectAttempts: 1, token: () => Promise.reject(new Error("no login")) });
    await after(10);
    expect(client.getState().status).toBe("failed");
    expect(told.errors[0]).toBe("not asked: Error: no login");
    expect(asked).toHaveLength(0);
  });

  test("a token that never comes is silence", async () => {
    let count = 0;
    const token = () => (++count === 1 ? new Promise<string>(() => {}) : "t");
    const { told } = await begun({ heartbeatTimeout: 1000, reconnectInterval: 1, token });
    await after(999);
    expect([count, told.errors]).toEqual([1, []]);
    await after(2);
    expect(told.errors).toEqual(["the stream went silent"]);
    expect(last().headers.get("Authorization")).toBe("Bearer t");
  });

  test.each([
    ["a token that no header can hold", { token: () => "…" }],
    ["an address that is none", { url: "http://server test/" }],
  ])("%s is an attempt that failed", async (_, options) => {
    const { client, told } = await begun({ reconnectInterval: 10, maxReconnectAttempts: 1, ...options });
    await after(10);
    expect([client.getState().status, told.errors.length, asked.length]).toEqual(["failed", 2, 0]);
  });

  test("a stream that went silent is made anew; heartbeats and comments keep it", async () => {
    const { told } = await begun({ heartbeatTimeout: 1000, reconnectInterval: 10 });
    last().open("1-3");
    for (const beat of ["event: ping\ndata: {}\n\n", ":\n\n", ": x\n"]) {
      await after(900);
      last().send(beat);
      await settle();
    }
    expect(asked).toHaveLength(1);
    await after(1000);
    expect(asked[0]!.ended).toBe(true);
    expect(told.errors).toEqual(["the stream went silent"]);
    await after(6000);
    expect(asked[1]!.lastEventId).toBe("1-3");
  });
});

describe("the page", () => {
  let page: Page;

  beforeEach(() => void (page = Page.stub()));

  async function happens(name: string): Promise<void> {
    page.happens(name);
    await settle();
  }

  test("without a network no attempt is burnt, and `online` is an attempt at once", async () => {
    const { client } = await begun({ reconnectInterval: 100 });
    last().open();
    await settle();
    last().break();
    vi.stubGlobal("navigator", { onLine: false });
    await after(1_000_000);
    expect(asked).toHaveLength(1);
    expect(client.getState()).toMatchObject({ status: "waiting", attempts: 1 });
    vi.stubGlobal("navigator", { onLine: true });
    await happens("online");
    expect(asked).toHaveLength(2);
  });

  test("hidden for long it has no stream, and one again when it is seen", async () => {
    const { client } = await begun({ pauseWhenHidden: 5000 });
    last().open("1-3");
    await settle();
    page.hidden = true;
    await happens("visibilitychange");
    await after(4999);
    page.hidden = false;
    await happens("visibilitychange");
    await after(10_000);
    expect(client.getState().status).toBe("open");
    page.hidden = true;
    await happens("visibilitychange");
    await after(5000);
    expect(client.getState().status).toBe("paused");
    expect(last().ended).toBe(true);
    page.hidden = false;
    await happens("visibilitychange");
    expect([asked.length, last().lastEventId]).toEqual([2, "1-3"]);
  });

  test("never seen, as where it was opened behind another, it has no stream for long", async () => {
    page.hidden = true;
    const { client } = await begun({ pauseWhenHidden: 5000 });
    last().open();
    await after(5000);
    expect([client.getState().status, last().ended]).toEqual(["paused", true]);
    page.hidden = false;
    await happens("visibilitychange");
    expect(asked).toHaveLength(2);
  });

  test("in the back-forward cache it has no stream, and goes on after", async () => {
    const { client } = await begun();
    last().open("1-3").event("1-4", 4);
    await settle();
    await happens("pagehide");
    expect([client.getState().status, last().ended]).toEqual(["paused", true]);
    await happens("pageshow");
    expect(last().lastEventId).toBe("1-4");
  });

  test("one that is ended as soon as it is seen again stays ended", async () => {
    const { client } = await begun();
    last().open();
    await settle();
    await happens("pagehide");
    const leave = client.subscribe(() => {
      leave();
      client.close();
    });
    await happens("pageshow");
    expect([asked.length, client.getState().status]).toEqual([1, "closed"]);
  });

  test("closed while it rests, it stays closed", async () => {
    const { client } = await begun();
    last().open();
    await settle();
    await happens("pagehide");
    client.close();
    await happens("pageshow");
    await happens("visibilitychange");
    expect([asked.length, client.getState().status]).toEqual([1, "closed"]);
  });

  test("a client that is closed follows nothing", async () => {
    const { client } = await begun();
    client.close();
    for (const name of ["online", "pagehide", "pageshow", "visibilitychange"]) await happens(name);
    expect([asked.length, client.getState().status]).toEqual([1, "closed"]);
  });

  test("loaded anew, it goes on where it stood", async () => {
    const kept = new Map<string, string>();
    vi.stubGlobal("sessionStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) });
    await begun({ persist: true, userId: "ada" });
    last().open("1-3").event("1-4", 4);
    await after(200);
    expect([...kept].map(([key, mark]) => [key, mark.split("\n")[0]])).toEqual([["fanfare:http://server.test/api/sse?userId=ada", "1-4"]]);
    last().event("1-5", 5);
    await settle();
    await happens("pagehide");
    await begun({ persist: true, userId: "ada" });
    expect(last().lastEventId).toBe("1-5");
    await begun({ persist: "mine" });
    expect(last().lastEventId).toBe(null);
  });
});

test("a position that cannot be kept harms nobody", async () => {
  const forbidden = () => {
    throw new DOMException("no", "SecurityError");
  };
  vi.stubGlobal("sessionStorage", { getItem: forbidden, setItem: forbidden });
  const { told } = await begun({ persist: true });
  last().open().event("1-1", 1);
  await after(1000);
  expect(told.data).toEqual([1]);
});

describe("the browser's own EventSource", () => {
  beforeEach(() => Source.stub());

  const connected = { status: "connected", clientId: "c", recovered: true };

  test("serves where the names of events are known and no header is needed", async () => {
    const names: string[] = [];
    const client = new FanfareClient<{ price: number }>({ url: OPTIONS.url! });
    clients.push(client as unknown as FanfareClient);
    client.connect();
    client.on("price", ({ data }) => names.push(`price ${data}`));
    await settle();
    expect(asked).toHaveLength(0);
    Source.all[0]!.say("connection", connected, "1-0");
    Source.all[0]!.say("price", 3, "1-1");
    expect(client.getState()).toMatchObject({ status: "open", lastEventId: "1-1" });
    expect(names).toEqual(["price 3"]);
  });

  test("does not where they are not, or headers are needed", async () => {
    for (const options of [{ token: "t" }, { headers: { A: "b" } }] as ClientOptions[]) {
      const client = new FanfareClient({ url: OPTIONS.url!, ...options });
      clients.push(client);
      client.connect();
      await settle();
    }
    await begun({ transport: "auto" });
    expect([asked.length, Source.all.length]).toEqual([3, 0]);
  });

  test("gives way to `fetch` once every event is wanted", async () => {
    const client = new FanfareClient({ url: OPTIONS.url! });
    clients.push(client);
    client.connect();
    await settle();
    Source.all[0]!.say("connection", connected, "1-5");
    const data: unknown[] = [];
    client.onEvent((event) => data.push(event.data));
    await settle();
    expect([Source.all[0]!.close.mock.calls.length, last().lastEventId]).toEqual([1, "1-5"]);
    last().open("1-5", { recovered: true }).event("1-6", 6, "unheard of");
    await settle();
    expect(data).toEqual([6]);
  });

  test("is not lost where an event of the server has the name of its own errors", async () => {
    const client = new FanfareClient<{ error: string; update: number }>({ url: OPTIONS.url! });
    clients.push(client as unknown as FanfareClient);
    const heard: unknown[] = [];
    client.on("error", ({ data }) => heard.push(data));
    client.on("update", ({ data }) => heard.push(data));
    client.connect();
    await settle();
    Source.all[0]!.say("connection", connected, "1-5");
    Source.all[0]!.say("error", "of the application", "1-6");
    Source.all[0]!.say("update", 7, "1-7");
    expect(heard).toEqual(["of the application", 7]);
    expect([client.getState().status, Source.all[0]!.close.mock.calls.length]).toEqual(["open", 0]);
    Source.all[0]!.lose(2);
    expect([heard.length, client.getState().status]).toEqual([2, "waiting"]);
  });

  test("brings a token in the query, asked for anew at each attempt, and names nothing else there than the server knows", async () => {
    let count = 0;
    await begun({ transport: "eventsource", token: () => `t${++count}`, topics: ["a"], userId: "ada", sessionId: "s", meta: { room: "1" }, reconnectInterval: 10 });
    expect(Source.all[0]!.query.get("access_token")).toBe("t1");
    Source.all[0]!.say("connection", connected, "1-5");
    Source.all[0]!.lose(2);
    await after(6000);
    expect([...Source.all[1]!.query]).toEqual([
      ["topic", "a"], ["userId", "ada"], ["sessionId", "s"], ["lastEventId", "1-5"], ["access_token", "t2"], ["meta.room", "1"],
    ]);
  });

  test("tells the last id, which is no repeat where it is the same again, and none once it is empty", async () => {
    const { client, told } = await begun({ transport: "eventsource", reconnectInterval: 10 });
    for (const [data, id] of [[1, "a"], [2, "a"], [3, "b"], [4, "a"], [5, "a"]] as const) Source.all[0]!.say("update", data, id);
    expect([told.data, client.getState().lastEventId]).toEqual([[1, 2, 3, 4, 5], "a"]);
    Source.all[0]!.say("update", 6, "");
    Source.all[0]!.lose(2);
    await after(6000);
    expect([told.data.at(-1), client.getState().lastEventId, Source.all[1]!.url]).toEqual([6, "", OPTIONS.url]);
  });

  test("what it gave up on is asked for with `fetch`, which sees what is final", async () => {
    for (const [status, state] of [[204, "closed"], [404, "failed"]] as const) {
      const client = new FanfareClient({ url: OPTIONS.url!, reconnectInterval: 10 });
      clients.push(client);
      client.on("update", () => {});
      client.connect();
      await settle();
      Source.all.at(-1)!.say("update", 6, "1-6");
      // Its own reconnect, and the answer to that.
      Source.all.at(-1)!.lose(0);
      Source.all.at(-1)!.lose(2);
      await after(6000);
      expect(last().lastEventId).toBe("1-6");
      last().refuse(status);
      await after(60_000);
      expect(client.getState()).toMatchObject({ status: state, error: { status } });
    }
    expect([Source.all.length, asked.length]).toEqual([2, 2]);
  });

  test("is there again once `fetch` found nothing final", async () => {
    const client = new FanfareClient({ url: OPTIONS.url!, reconnectInterval: 10 });
    clients.push(client);
    client.connect();
    await settle();
    Source.all[0]!.lose(2);
    await after(6000);
    last().refuse(502);
    await after(6000);
    expect([Source.all.length, asked.length]).toEqual([2, 1]);
  });

  test("is made anew where the browser gives up, from the last event", async () => {
    const { client } = await begun({ transport: "eventsource", reconnectInterval: 10 });
    Source.all[0]!.say("connection", connected, "1-5");
    Source.all[0]!.say("update", 6, "1-6");
    Source.all[0]!.lose(2);
    expect(client.getState().status).toBe("waiting");
    await after(6000);
    expect(Source.all).toHaveLength(2);
    expect(Source.all[1]!.query.get("lastEventId")).toBe("1-6");
    expect(Source.all[0]!.close).toHaveBeenCalled();
  });
});

test("a `connection` event that is no word is none", async () => {
  const { client } = await begun();
  last().start().send("event: connection\ndata: null\n\nevent: connection\ndata: 7\n\nevent: connection\ndata: {\n\n").send(connection("1-1"));
  await settle();
  expect(client.getState()).toMatchObject({ status: "open", lastEventId: "1-1" });
});
