// The panel's parser of event streams, against WHATWG HTML, 9.2.6.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(new URL("../../src/panel/sse.js", import.meta.url), "utf8");
const { EventParser } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

function parse(pieces, lastEventId) {
  const events = [];
  const parser = new EventParser(({ event, data, id }) => events.push([event, data, id]), lastEventId);
  for (const piece of pieces) parser.push(piece);
  return { events, parser };
}

const CASES = [
  ["data: a\n\n", [["message", "a", ""]]],
  ["data:a\n\ndata: \n\ndata\n\n", [["message", "a", ""], ["message", "", ""], ["message", "", ""]]],
  ["data: a\ndata: b\r\ndata:  c\r\r", [["message", "a\nb\n c", ""]]],
  ["event: x\nid: 1\ndata: a\n\ndata: b\n\n", [["x", "a", "1"], ["message", "b", "1"]]],
  ["\uFEFFdata: a\n\n\uFEFFdata: b\n\n", [["message", "a", ""]]],
  [": comment\n:\ndata: a\nother: b\nother\n\n", [["message", "a", ""]]],
  ["id: 1\n\ndata: a\n\n", [["message", "a", "1"]]],
  ["id: 1\n\nid: 2\0\nid\ndata: a\n\n", [["message", "a", ""]]],
  ["event: x\n\ndata: a\n\n", [["message", "a", ""]]],
  ["data: a\u2028b\u0085c\n\n", [["message", "a\u2028b\u0085c", ""]]],
  ["data: a\n", []],
  ["data: a", []],
  ["\r\n\r\ndata: a\r\n\r\n", [["message", "a", ""]]],
];

test("events are read as the standard says, however the text is cut", () => {
  for (const [text, expected] of CASES) {
    assert.deepEqual(parse([text]).events, expected, JSON.stringify(text));
    assert.deepEqual(parse([...text]).events, expected, `one at a time: ${JSON.stringify(text)}`);
    for (let cut = 0; cut <= text.length; cut += 1) {
      const events = parse([text.slice(0, cut), "", text.slice(cut)]).events;
      assert.deepEqual(events, expected, `cut at ${cut}: ${JSON.stringify(text)}`);
    }
  }
});

test("an id stands once its event is whole, and a time if it is digits", () => {
  const { parser } = parse(["id: 7\nretry: 50\nretry: 1x\nretry: \ndata: a\n\nid: 8\ndata: b\n"], "5");
  assert.deepEqual([parser.lastEventId, parser.retry], ["7", 50]);
  assert.equal(parse([], "5").parser.lastEventId, "5");
});
