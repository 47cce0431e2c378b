import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FanfareClient, type SSEReset } from "../src/index.js";
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

  constructor(options: { lastEventId?: string } = {}) {
    this.client = new FanfareClient({ ...OPTIONS, shareTabs: true, reconnectInterval: 1, ...options });
    this.client.onEvent(({ data }) => this.data.push(data));
    this.client.onReset((reset) => this.resets.push(reset));
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

function last(): Request {
  return asked.at(-1)!;
}

test("several have one connection, and each event once", async () => {
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  last().open("1-0", { clientId: "c1" });
  await vi.waitFor(() => expect(tabs.map(({ client }) => client.getState().status)).toEqual(["open", "open", "open"]));
  expect(tabs.map(({ role }) => role)).toEqual(["leader", "follower", "follower"]);
  expect(second.client.getState().clientId).toBe("c1");
  last().event("1-1", 1).event("1-2", 2);
  await vi.waitFor(() => expect([first.data, second.data, third.data]).toEqual([[1, 2], [1, 2], [1, 2]]));
  expect(asked).toHaveLength(1);
});

test("when the leader goes another goes on, and nobody misses or repeats anything", async () => {
  const [first, second, third] = [new Tab(), new Tab(), new Tab()];
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  last().open("1-0").event("1-1", 1);
  await vi.waitFor(() => expect(third.data).toEqual([1]));
  first.client.close();
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect([asked[0]!.ended, last().lastEventId]).toEqual([true, "1-1"]);
  // What was published meanwhile, and once more what all have.
  last().open("1-1", { recovered: true }).event("1-1", 1).event("1-2", 2);
  await vi.waitFor(() => expect([second.data, third.data]).toEqual([[1, 2], [1, 2]]));
  expect([second.role, third.role, first.data]).toEqual(["leader", "follower", [1]]);
  expect(tabs.flatMap(({ resets }) => resets)).toEqual([]);
});

test("who joins late with an older position gets what it missed", async () => {
  const first = new Tab();
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  last().open("1-0").event("1-1", 1).event("1-2", 2).event("1-3", 3);
  await vi.waitFor(() => expect(first.data).toEqual([1, 2, 3]));
  const [late, fresh, lost] = [new Tab({ lastEventId: "1-1" }), new Tab(), new Tab({ lastEventId: "0-77" })];
  await vi.waitFor(() => expect(late.data).toEqual([2, 3]));
  last().event("1-4", 4);
  await vi.waitFor(() => expect([late.data, fresh.data, lost.data]).toEqual([[2, 3, 4], [4], [4]]));
  expect([late.resets, fresh.resets]).toEqual([[], []]);
  // It is told: nobody has what it missed.
  expect(lost.resets).toEqual([{ reason: "tab", lastEventId: "1-3" }]);
});

test("a gap is a gap for all", async () => {
  const [first, second] = [new Tab(), new Tab()];
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  last().open("1-0").event("1-1", 1);
  await vi.waitFor(() => expect(second.data).toEqual([1]));
  last().send("retry: 1\n").break();
  await vi.waitFor(() => expect(asked).toHaveLength(2), { timeout: 5000 });
  last().open("2-0", { reason: "epoch" }).event("2-1", 2);
  await vi.waitFor(() => expect(second.data).toEqual([1, 2]));
  expect([first.resets, second.resets]).toEqual([[{ reason: "epoch", lastEventId: "2-0" }], [{ reason: "epoch", lastEventId: "2-0" }]]);
});

test("without Web Locks each has a connection of its own", async () => {
  vi.stubGlobal("navigator", { onLine: true });
  const [first, second] = [new Tab(), new Tab()];
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  for (const request of asked) request.open().event("1-1", 1);
  await vi.waitFor(() => expect([first.data, second.data]).toEqual([[1], [1]]));
  expect([first.role, second.role]).toEqual(["single", "single"]);
});
