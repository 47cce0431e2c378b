import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClientOptions, FanfareClient, SSEError, type SSEReset } from "../src/index.js";
import { Page } from "./support/page.js";
import { OPTIONS, Request, requests } from "./support/streams.js";

/** Web Locks, as far as a leader needs them: one holder of a name, the others in a row. */
class Locks {
  readonly #rows = new Map<string, Promise<unknown>>();

  request(name: string, { signal }: { signal: AbortSignal }, body: () => Promise<unknown>): Promise<unknown> {
    const before = this.#rows.get(name) ?? Promise.resolve();
    const held = before.then(() => {
      if (signal.aborted) throw new DOMException("left", "AbortError");
      return body();
    });
    this.#rows.set(name, held.catch(() => {}));
    return held;
  }
}

let asked: Request[];
let tabs: Tab[];

/** One tab, and what it was told. */
class Tab {
  readonly client: FanfareClient;
  readonly data: unknown[] = [];
  readonly resets: SSEReset[] = [];
  readonly errors: SSEError[] = [];

  constructor(options: ClientOptions = {}) {
    this.client = new FanfareClient({ ...OPTIONS, shareTabs: true, reconnectInterval: 1, ...options });
    this.client.onEvent(({ data }) => this.data.push(data));
    this.client.onReset((reset) => this.resets.push(reset));
    this.client.onError((error) => this.errors.push(error));
    this.client.connect();
    tabs.push(this);
  }

  get role(): string {
    return this.client.getState().role;
  }
}

beforeEach(() => {
  vi.stubGlobal("navigator", { locks: new Locks(), onLine: true });
  asked = requests();
  tabs = [];
});

afterEach(() => {
  for (const { client } of tabs) client.close();
  vi.unstubAllGlobals();
});

/** Waits until it holds: for long, since the machine may have more to do. */
function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 50_000, interval: 10 });
}

function last(): Request {
  return asked.at(-1)!;
}

/** Opens the stream, and waits until every tab follows it: who comes later begins there. */
async function opened(id: string, word: object = {}): Promise<Request> {
  await until(() => expect(asked).toHaveLength(1));
  last().open(id, word);
  await until(() => expect(tabs.map(({ client }) => client.getState().status)).toEqual(tabs.map(() => "open")));
  return last();
}

test("several have one connection, and each event once", async () => {
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  await opened("1-0", { clientId: "c1" });
  expect(tabs.map(({ role }) => role)).toEqual(["leader", "follower", "follower"]);
  expect(second.client.getState().clientId).toBe("c1");
  last().event("1-1", 1).event("1-2", 2);
  await until(() => expect([first.data, second.data, third.data]).toEqual([[1, 2], [1, 2], [1, 2]]));
  expect(asked).toHaveLength(1);
});

test("when the leader goes another goes on, and nobody misses or repeats anything", async () => {
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  (await opened("1-0")).event("1-1", 1);
  await until(() => expect([second.data, third.data]).toEqual([[1], [1]]));
  first.client.close();
  await until(() => expect(asked).toHaveLength(2));
  expect([asked[0]!.ended, last().lastEventId]).toEqual([true, "1-1"]);
  // What was published meanwhile, and once more what all have.
  last().open("1-1", { recovered: true }).event("1-1", 1).event("1-2", 2);
  await until(() => expect([second.data, third.data]).toEqual([[1, 2], [1, 2]]));
  expect([second.role, third.role, first.data]).toEqual(["leader", "follower", [1]]);
  expect(tabs.flatMap(({ resets }) => resets)).toEqual([]);
});

test("who joins late with an older position gets what it missed", async () => {
  const first = new Tab();
  (await opened("1-0")).event("1-1", 1).event("1-2", 2).event("1-3", 3);
  await until(() => expect(first.data).toEqual([1, 2, 3]));
  const [late, fresh, lost] = [new Tab({ lastEventId: "1-1" }), new Tab(), new Tab({ lastEventId: "0-77" })];
  await until(() => expect(late.data).toEqual([2, 3]));
  last().event("1-4", 4);
  await until(() => expect([late.data, fresh.data, lost.data]).toEqual([[2, 3, 4], [4], [4]]));
  expect([late.resets, fresh.resets]).toEqual([[], []]);
  // It is told: nobody has what it missed.
  expect(lost.resets).toEqual([{ reason: "tab", lastEventId: "1-3" }]);
});

test("a gap is a gap for all", async () => {
  const [first, second] = [new Tab(), new Tab()];
  (await opened("1-0")).event("1-1", 1);
  await until(() => expect(second.data).toEqual([1]));
  last().send("retry: 1\n").end();
  await until(() => expect(asked).toHaveLength(2));
  last().open("2-0", { reason: "epoch" }).event("2-1", 2);
  await until(() => expect(second.data).toEqual([1, 2]));
  expect([first.resets, second.resets]).toEqual([[{ reason: "epoch", lastEventId: "2-0" }], [{ reason: "epoch", lastEventId: "2-0" }]]);
});

test("who comes back from before a gap is told of it, though the others have heard of it long since", async () => {
  const first = new Tab();
  (await opened("1-0")).event("1-1", 1);
  await until(() => expect(first.data).toEqual([1]));
  last().send("retry: 1\n").end();
  await until(() => expect(asked).toHaveLength(2));
  last().open("2-0", { reason: "epoch" }).event("2-1", 2);
  await until(() => expect(first.data).toEqual([1, 2]));
  const [before, after] = [new Tab({ lastEventId: "1-1" }), new Tab({ lastEventId: "2-0" })];
  await until(() => expect([before.resets, after.data]).toEqual([[{ reason: "tab", lastEventId: "2-1" }], [2]]));
  last().event("2-2", 3);
  await until(() => expect([before.data, after.data]).toEqual([[3], [2, 3]]));
  expect(after.resets).toEqual([]);
  // Nor does one that takes over afterwards give out what was before.
  first.client.close();
  await until(() => expect(asked).toHaveLength(3));
  last().open("2-2", { recovered: true });
  const late = new Tab({ lastEventId: "1-1" });
  await until(() => expect(late.resets).toEqual([{ reason: "tab", lastEventId: "2-2" }]));
});

test("who is behind a leader that is not connected yet is told once the leader is", async () => {
  const first = new Tab({ lastEventId: "1-50" });
  await until(() => expect(asked).toHaveLength(1));
  const behind = new Tab({ lastEventId: "1-40" });
  await until(() => expect(behind.role).toBe("follower"));
  last().open("1-50", { recovered: true }).event("1-51", 51);
  await until(() => expect(behind.resets).toMatchObject([{ reason: "tab" }]));
  last().event("1-52", 52);
  await until(() => expect([first.data.at(-1), behind.data.at(-1)]).toEqual([52, 52]));
  expect(first.resets).toEqual([]);
});

test("who is ahead of a new leader has missed nothing", async () => {
  const channels: BroadcastChannel[] = [];
  vi.stubGlobal("BroadcastChannel", class extends BroadcastChannel {
    constructor(name: string) {
      super(name);
      channels.push(this);
    }
  });
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  (await opened("1-0")).event("1-1", 1);
  await until(() => expect([second.data, third.data]).toEqual([[1], [1]]));
  // The next event reaches only one of them before its leader is gone.
  const hear = channels[1]!.onmessage;
  channels[1]!.onmessage = null;
  last().event("1-2", 2);
  await until(() => expect([first.data, third.data]).toEqual([[1, 2], [1, 2]]));
  channels[1]!.onmessage = hear;
  first.client.close();
  await until(() => expect(asked).toHaveLength(2));
  expect([second.role, last().lastEventId]).toEqual(["leader", "1-1"]);
  last().open("1-1", { recovered: true });
  await until(() => expect(third.client.getState().status).toBe("open"));
  last().event("1-2", 2).event("1-3", 3);
  await until(() => expect([second.data, third.data]).toEqual([[1, 2, 3], [1, 2, 3]]));
  expect([second.resets, third.resets]).toEqual([[], []]);
});

test("who has a connection online again is who had one", async () => {
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  const [first, second] = [new Tab({ reconnectInterval: 60_000 }), new Tab({ reconnectInterval: 60_000 })];
  await until(() => expect(asked).toHaveLength(1));
  last().refuse(502);
  await until(() => expect([first, second].map(({ client }) => client.getState().status)).toEqual(["waiting", "waiting"]));
  page.dispatchEvent(new Event("online"));
  await until(() => expect(asked).toHaveLength(2));
  last().open();
  await until(() => expect(second.client.getState().status).toBe("open"));
  expect([asked.length, second.role]).toEqual([2, "follower"]);
});

test("an error is told to all, as what it is", async () => {
  const [first, second] = [new Tab({ reconnectInterval: 60_000 }), new Tab()];
  await until(() => expect(asked).toHaveLength(1));
  last().refuse(502);
  await until(() => expect(second.errors).toHaveLength(1));
  expect(second.errors[0]).toBeInstanceOf(SSEError);
  expect(second.errors[0]).toMatchObject({ message: "the server answered 502", status: 502, final: false });
  // Equal, not the same: the leader may have told its state once more since.
  expect(second.client.getState().error).toEqual(second.errors[0]);
  expect(first.errors).toHaveLength(1);
});

test("tabs of different identities have nothing in common", async () => {
  const [ada, bob] = [new Tab({ token: "ada's" }), new Tab({ token: "bob's" })];
  await until(() => expect(asked).toHaveLength(2));
  asked[0]!.open("1-0").event("1-1", "for Ada");
  asked[1]!.open("1-0");
  await until(() => expect(ada.data).toEqual(["for Ada"]));
  expect([ada.role, bob.role, bob.data]).toEqual(["leader", "leader", []]);
});

test("where Web Locks are forbidden each has a connection of its own", async () => {
  const request = () => Promise.reject(new DOMException("no", "SecurityError"));
  vi.stubGlobal("navigator", { locks: { request }, onLine: true });
  const [first, second] = [new Tab(), new Tab()];
  await until(() => expect(asked).toHaveLength(2));
  for (const request of asked) request.open().event("1-1", 1);
  await until(() => expect([first.data, second.data]).toEqual([[1], [1]]));
});

test("who leaves at the moment that it is to lead does not lead", async () => {
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  await opened("1-0");
  // As it is told when another connection takes the place of the one that was open.
  second.client.onClose(() => second.client.close());
  first.client.close();
  await until(() => expect(third.role).toBe("leader"));
  await until(() => expect(asked).toHaveLength(2));
  expect([second.client.getState().status, second.role]).toEqual(["closed", "single"]);
  last().open("1-0", { recovered: true }).event("1-1", 1);
  await until(() => expect([second.data, third.data]).toEqual([[], [1]]));
});

test("tabs that are told so are kept apart", async () => {
  const [work, home] = [new Tab({ shareTabs: "work" }), new Tab({ shareTabs: "home" })];
  await until(() => expect(asked).toHaveLength(2));
  expect([work.role, home.role]).toEqual(["leader", "leader"]);
});

test("without Web Locks each has a connection of its own", async () => {
  vi.stubGlobal("navigator", { onLine: true });
  const [first, second] = [new Tab(), new Tab()];
  await until(() => expect(asked).toHaveLength(2));
  for (const request of asked) request.open().event("1-1", 1);
  await until(() => expect([first.data, second.data]).toEqual([[1], [1]]));
  expect([first.role, second.role]).toEqual(["single", "single"]);
});

test("the text of an event reaches every tab as it was sent", async () => {
  const [first, second] = [new Tab(), new Tab()];
  const texts: string[][] = [];
  for (const { client } of [first, second]) client.on("update", ({ text, data }) => texts.push([text, String(data)]));
  (await opened("1-0")).send("id: 1-1\nevent: update\ndata: 9007199254740993\n\n");
  await until(() => expect(texts).toEqual(Array(2).fill(["9007199254740993", "9007199254740992"])));
  const late = new Tab({ lastEventId: "1-0" });
  late.client.on("update", ({ text }) => texts.push([text]));
  await until(() => expect(texts.at(-1)).toEqual(["9007199254740993"]));
});

test("events of another server, with no id of their own, or with one that was there before, reach every tab once", async () => {
  const [first, second] = [new Tab(), new Tab()];
  await until(() => expect(asked).toHaveLength(1));
  const sent = [["1", "a"], ["", "b"], ["", "b"], ["2", "c"], ["1", "d"], ["", "e"], ["1", "d"]];
  last().start().send("id: 0\n\n");
  await until(() => expect(second.client.getState().status).toBe("open"));
  for (const [id, data] of sent) last().send(`${id && `id: ${id}\n`}data: ${data}\n\n`);
  const all = ["a", "b", "b", "c", "d", "e", "d"];
  await until(() => expect([first.data, second.data]).toEqual([all, all]));
  expect([first, second].map(({ client }) => client.getState().lastEventId)).toEqual(["1", "1"]);
  // Who was there has all of it, and the next leader gives nothing twice.
  const third = new Tab();
  await until(() => expect(third.client.getState().status).toBe("open"));
  last().send("data: f\n\n");
  await until(() => expect(third.data).toEqual(["f"]));
  first.client.close();
  await until(() => expect(asked).toHaveLength(2));
  expect(last().lastEventId).toBe("1");
  // As a server that sends the last event once more, and then goes on.
  last().start().send("id: 1\ndata: d\n\nid: 3\ndata: g\n\n");
  await until(() => expect([second.data, third.data]).toEqual([[...all, "f", "g"], ["f", "g"]]));
  expect(tabs.flatMap(({ resets }) => resets)).toEqual([]);
});

test("what follows under the position that a tab took from its leader is no repeat", async () => {
  const first = new Tab();
  await until(() => expect(asked).toHaveLength(1));
  last().start().send("id: 5\n\n");
  await until(() => expect(first.client.getState().lastEventId).toBe("5"));
  const second = new Tab();
  await until(() => expect(second.client.getState()).toMatchObject({ status: "open", lastEventId: "5" }));
  last().send("id: 5\ndata: x\n\n");
  last().send("id: 6\ndata: y\n\n");
  await until(() => expect(second.client.getState().lastEventId).toBe("6"));
  expect([first.data, second.data]).toEqual([["x", "y"], ["x", "y"]]);
});

test("a position that the server takes back is none in any tab", async () => {
  const [first, second] = [new Tab(), new Tab()];
  await until(() => expect(asked).toHaveLength(1));
  last().start().send("id: 0\n\n");
  await until(() => expect(second.client.getState().status).toBe("open"));
  last().send("id: 1\ndata: a\n\nid: 2\n\n");
  await until(() => expect(second.client.getState().lastEventId).toBe("2"));
  last().send("id\ndata: b\n\n");
  await until(() => expect(second.data).toEqual(["a", "b"]));
  first.client.close();
  await until(() => expect(asked).toHaveLength(2));
  expect(last().lastEventId).toBe(null);
});

test("a page that is seen again has the connection opened anew by whoever has it", async () => {
  const leading = Page.stub();
  vi.stubGlobal("navigator", { locks: new Locks(), onLine: true });
  const first = new Tab();
  await until(() => expect(asked).toHaveLength(1));
  const following = new Page();
  vi.stubGlobal("addEventListener", following.addEventListener.bind(following));
  const second = new Tab();
  (await opened("1-0")).event("1-1", 1);
  await until(() => expect(second.data).toEqual([1]));
  // Only one of them is seen.
  const now = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
  following.happens("visibilitychange");
  await until(() => expect(asked).toHaveLength(2));
  expect([first.role, second.role, asked[0]!.ended, last().lastEventId]).toEqual(["leader", "follower", true, "1-1"]);
  last().open("1-1", { recovered: true }).event("1-2", 2);
  await until(() => expect([first.data, second.data]).toEqual([[1, 2], [1, 2]]));
  // It was heard of just now.
  following.happens("focus");
  leading.happens("focus");
  last().event("1-3", 3);
  await until(() => expect(second.data).toEqual([1, 2, 3]));
  expect(asked).toHaveLength(2);
  now.mockRestore();
});
