// What a server sends once more after a reconnect, and what only looks like it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FanfareClient } from "../src/index.js";
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

type Sent = readonly (readonly [id: string | undefined, text: string])[];

/** What an application hears of these streams, one after the other, and what each request says in `Last-Event-ID`. */
async function heard(...streams: Sent[]) {
  const client = new FanfareClient({ ...OPTIONS, reconnectInterval: 1 });
  const texts: string[] = [];
  client.onEvent(({ text }) => texts.push(text));
  client.connect();
  for (const [index, sent] of streams.entries()) {
    await vi.waitFor(() => expect(asked).toHaveLength(index + 1));
    const request = asked.at(-1)!.start();
    for (const [id, text] of sent) request.send(`${id === undefined ? "" : `id: ${id}\n`}data: ${text}\n\n`);
    request.end();
    await settle();
    await vi.advanceTimersByTimeAsync(1);
  }
  client.close();
  return { texts: texts.join(""), positions: asked.map(({ lastEventId }) => lastEventId) };
}

const CASES: Record<string, [streams: Sent[], texts: string, positions: (string | null)[]]> = {
  "the last event once more": [[[["1", "a"], ["2", "b"]], [["2", "b"], ["3", "c"]]], "abc", [null, "2", "3"]],
  "everything once more": [[[["1", "a"], ["2", "b"]], [["1", "a"], ["2", "b"], ["3", "c"]]], "abc", [null, "2", "3"]],
  "a replay that is cut off is followed": [[[["1", "a"], ["2", "b"], ["3", "c"]], [["1", "a"]], [["2", "b"], ["3", "c"], ["4", "d"]]], "abcd", [null, "3", "1", "4"]],
  "a server that counts from 1 again sends other events": [[[["1", "a"], ["2", "b"]], [["1", "x"], ["2", "y"]]], "abxy", [null, "2", "2"]],
  "ids that go back after something new are no repeats": [[[["1", "a"], ["2", "b"]], [["3", "c"], ["1", "a"]]], "abca", [null, "2", "1"]],
  "what has no id of its own is no repeat": [[[["1", "a"], [undefined, "b"]], [[undefined, "b"], ["1", "a"], [undefined, "c"]]], "abbc", [null, "1", "1"]],
  "an empty id is no repeat, and no position": [[[["1", "a"], ["", "b"]], [["", "b"]]], "abb", [null, null, null]],
  "an event with a text as empty as another's is told by its id": [[[["1", ""], ["2", "b"]], [["1", ""], ["2", "b"]]], "b", [null, "2", "2"]],
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
