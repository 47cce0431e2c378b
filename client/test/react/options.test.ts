import { expect, test } from "vitest";
import { newest } from "../../src/react/feed.js";
import { connectionKey, connectionOptions, type UseSSEOptions } from "../../src/react/options.js";

const SAME: [UseSSEOptions, UseSSEOptions][] = [
  [{}, { reconnectInterval: 3000, maxReconnectAttempts: 5 }],
  [{ topics: ["a", "b"] }, { topics: ["b", "a", "b"] }],
  [{ topics: [] }, {}],
  [{ meta: { a: "1", b: "2" } }, { meta: { b: "2", a: "1" } }],
  [{ token: () => "a" }, { token: () => "b" }],
  [{ onEvent: () => {}, maxEvents: 3, enabled: false }, {}],
];
const OTHER: [UseSSEOptions, UseSSEOptions][] = [
  [{ url: "/a" }, { url: "/b" }],
  [{ topics: ["a"] }, { topics: ["a", "b"] }],
  [{ meta: { a: "1" } }, { headers: { a: "1" } }],
  [{ token: "a" }, { token: "b" }],
  [{ token: "()" }, { token: () => "a" }],
  [{ maxReconnectAttempts: Infinity }, {}],
  [{ connectionKey: "a" }, {}],
  [{ withCredentials: true }, {}],
];

test("options are the same by value", () => {
  for (const [one, other] of SAME) expect(connectionKey(one), JSON.stringify([one, other])).toBe(connectionKey(other));
  for (const [one, other] of OTHER) expect(connectionKey(one), JSON.stringify([one, other])).not.toBe(connectionKey(other));
});

test("an option that is undefined is not given", () => {
  const url = undefined as unknown as string;
  expect(connectionOptions({ url, maxEvents: 3 })).toEqual({ reconnectInterval: 3000, maxReconnectAttempts: 5 });
});

test("the newest of some", () => {
  expect([newest([1, 2, 3], 2), newest([1, 2, 3], 0), newest([1], -1), newest([1, 2], Infinity)]).toEqual([[2, 3], [], [], [1, 2]]);
});
