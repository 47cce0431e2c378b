// What a server sends once more after a reconnect, and what only looks like it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FanfareClient } from "../src/index.js";
import { Source } from "./support/source.js";
import { OPTIONS, type Request, requests, settle } from "./support/streams.js";

let asked: Request[];

beforeEach(() => {
  vi.useFakeTimers();
  asked = requests();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

type Sent = readonly (readonly [id: string | undefined, text: string, type?: string])[];

/** What an application hears of these streams, one after the other, and what each request says in `Last-Event-ID`. */
async function heard(...streams: Sent[]) {
  const client = new FanfareClient({ ...OPTIONS, reconnectInterval: 1 });
  const texts: string[] = [];
  client.onEvent(({ text }) => texts.push(text || "-"));
  client.connect();
  for (const [index, sent] of streams.entries()) {
    await vi.waitFor(() => expect(asked).toHaveLength(index + 1));
    const request = asked.at(-1)!.start();
    for (const [id, text, type] of sent) request.send(block(id, text, type));
    request.end();
    await settle();
    await vi.advanceTimersByTimeAsync(1);
  }
  client.close();
  return { texts: texts.join(""), positions: asked.map(({ lastEventId }) => lastEventId) };
}

/** An event, or a position where the text is `@`. */
function block(id: string | undefined, text: string, type?: string): string {
  return [id !== undefined && `id: ${id}`, type && `event: ${type}`, text !== "@" && `data: ${text}`, "\n"].filter(Boolean).join("\n");
}

const CASES: Record<string, [streams: Sent[], texts: string, positions: (string | null)[]]> = {
  "the last event once more": [[[["1", "a"], ["2", "b"]], [["2", "b"], ["3", "c"]]], "abc", [null, "2", "3"]],
  "everything once more": [[[["1", "a"], ["2", "b"]], [["1", "a"], ["2", "b"], ["3", "c"]]], "abc", [null, "2", "3"]],
  "a replay that is cut off is followed": [[[["1", "a"], ["2", "b"], ["3", "c"]], [["1", "a"]], [["2", "b"], ["3", "c"], ["4", "d"]]], "abcd", [null, "3", "1", "4"]],
  "a server that counts from 1 again sends other events": [[[["1", "a"], ["2", "b"]], [["1", "x"], ["2", "y"]]], "abxy", [null, "2", "2"]],
  "ids that go back after something new are no repeats": [[[["1", "a"], ["2", "b"]], [["3", "c"], ["1", "a"]]], "abca", [null, "2", "1"]],
  "what has no id of its own is no repeat": [[[["1", "a"], [undefined, "b"]], [[undefined, "b"], ["1", "a"], [undefined, "c"]]], "abbc", [null, "1", "1"]],
  "an empty id is no repeat, and no position": [[[["1", "a"], ["", "b"]], [["", "b"]]], "abb", [null, null, null]],
  "an event with a text as empty as another's is told by its id": [[[["1", ""], ["2", "b"]], [["1", ""], ["2", "b"]]], "-b", [null, "2", "2"]],
  "an event with a text is no repeat of one without": [[[["1", ""]], [["1", "x"]]], "-x", [null, "1", "1"]],
  "an event without a text is no repeat of one with": [[[["1", "x"]], [["1", ""]]], "x-", [null, "1", "1"]],
  "an event of another name is no repeat": [[[["1", "x", "a"]], [["1", "x", "b"], ["1", "x", "a"]]], "xxx", [null, "1", "1"]],
  "an event of the same name is one": [[[["1", "x", "a"]], [["1", "x", "a"], ["2", "y", "a"]]], "xy", [null, "1", "2"]],
  "what follows under a position is no repeat": [[[["4", "w"], ["5", "@"]], [["5", "x"], ["6", "y"]], [["5", "x"], ["6", "y"], ["7", "z"]]], "wxyz", [null, "5", "6", "7"]],
  "what follows under a position that is told again is none, either": [[[["5", "@"]], [["5", "@"], ["5", "x"]], [["5", "@"], ["5", "x"], ["6", "y"]]], "xy", [null, "5", "5", "6"]],
  "a position does not hide what was dispatched under its id": [[[["1", "a"], ["2", "b"], ["1", "@"]], [["1", "a"], ["2", "b"], ["3", "c"]]], "abc", [null, "1", "3"]],
  "what follows under the id of a heartbeat is no repeat": [[[["5", "1", "ping"]], [["5", "x"]], [["5", "x"], ["6", "y"]]], "xy", [null, "5", "5", "6"]],
  "several events of one id are repeated together": [[[["1", "a"], ["1", "b"]], [["1", "a"], ["1", "b"], ["2", "c"]]], "abc", [null, "1", "2"]],
};

for (const [name, [streams, texts, positions]] of Object.entries(CASES)) {
  test(name, async () => expect(await heard(...streams)).toEqual({ texts, positions }));
}

test("of what fanfare recovers nothing is dispatched twice, though it is the last event alone", async () => {
  const client = new FanfareClient({ ...OPTIONS, reconnectInterval: 1, lastEventId: "1-4" });
  const texts: string[] = [];
  client.onEvent(({ text }) => texts.push(text));
  client.connect();
  await settle();
  // The text of the event at a position from elsewhere is not known: its id is enough.
  asked[0]!.open("1-4", { recovered: true }).event("1-4", 4).event("1-5", 5);
  await settle();
  expect(texts).toEqual(["5"]);
  client.close();
});

test("what the server goes on after is no news, nor what is under the id that an application gave", async () => {
  for (const options of [{}, { lastEventId: "1-4" }]) {
    const client = new FanfareClient({ ...OPTIONS, ...options });
    const texts: string[] = [];
    client.onEvent(({ text }) => texts.push(text));
    client.connect();
    await settle();
    asked.at(-1)!.open("1-4", { recovered: true }).event("1-4", 4).event("1-5", 5);
    await settle();
    expect(texts).toEqual(["5"]);
    client.close();
  }
});

test("after a reload, too, only what was dispatched is a repeat", async () => {
  const kept = new Map<string, string>();
  vi.stubGlobal("sessionStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) });
  const load = async (...sent: Sent): Promise<string> => {
    const client = new FanfareClient({ ...OPTIONS, persist: "p" });
    const texts: string[] = [];
    client.onEvent(({ text }) => texts.push(text));
    client.connect();
    await settle();
    asked.at(-1)!.start();
    for (const [id, text, type] of sent) asked.at(-1)!.send(block(id, text, type));
    await settle();
    client.close();
    return texts.join("");
  };
  expect(await load(["4", "w"], ["5", "@"])).toBe("w");
  expect(await load(["5", "x"])).toBe("x");
  expect(await load(["5", "x"], ["6", "y"], ["6", "@"])).toBe("y");
  expect(await load(["6", "y"], ["7", "z"])).toBe("z");
  // A server that counts from elsewhere again.
  expect(await load(["7", "other"])).toBe("other");
  expect(asked.map(({ lastEventId }) => lastEventId)).toEqual([null, "5", "5", "6", "7"]);
  // What an application wrote there itself is an id, of which no more is known.
  kept.set("p", "9");
  expect(await load(["9", "v"], ["10", "w"])).toBe("w");
});

/** What an application hears of streams that the browser's own `EventSource` reopens: with each event the last id. */
async function heardNative(...streams: (readonly [lastEventId: string, text: string, type?: string])[][]): Promise<string> {
  Source.stub();
  const client = new FanfareClient<Record<string, unknown>>({ ...OPTIONS, transport: "eventsource" });
  const texts: string[] = [];
  for (const type of ["message", "update"]) client.on(type, ({ data }) => texts.push(String(data)));
  client.connect();
  await settle();
  for (const [index, sent] of streams.entries()) {
    if (index > 0) Source.all[0]!.lose(Source.CONNECTING);
    for (const [id, text, type = "message"] of sent) Source.all[0]!.say(type, text, id);
  }
  expect(Source.all).toHaveLength(1);
  client.close();
  return texts.join("");
}

const NATIVE: Record<string, [streams: Parameters<typeof heardNative>, texts: string]> = {
  "the last event once more": [[[["1", "a"], ["2", "b"]], [["2", "b"], ["3", "c"]]], "abc"],
  "the only event once more, each time": [[[["1", "a"]], [["1", "a"]], [["1", "a"], ["2", "b"]]], "ab"],
  "everything once more": [[[["1", "a"], ["2", "b"]], [["1", "a"], ["2", "b"], ["3", "c"]]], "abc"],
  "only once more": [[[["1", "a"]], [["1", "a"], ["1", "a"]]], "aa"],
  "other data under the last id": [[[["1", "a"]], [["1", "b"]], [["1", "b"], ["1", "a"]]], "abba"],
  "another name under the last id": [[[["1", "a"]], [["1", "a", "update"]]], "aa"],
  "what has no id of its own": [[[["1", "a"], ["1", "b"]], [["1", "b"], ["1", "a"], ["1", "c"]]], "abbac"],
  "no ids at all": [[[["", "a"], ["", "a"]], [["", "a"]]], "aaa"],
};

for (const [name, [streams, texts]] of Object.entries(NATIVE)) {
  test(`over EventSource: ${name}`, async () => expect(await heardNative(...streams)).toBe(texts));
}
