import { expect, test } from "vitest";
import { Parser } from "../src/parser.js";

type Seen = [type: string, data: string, id: string] | number;

function parsed(...pieces: string[]): Seen[] {
  const seen: Seen[] = [];
  const parser = new Parser({ message: (...message) => seen.push(message), retry: (ms) => seen.push(ms) });
  for (const piece of pieces) parser.push(piece);
  return seen;
}

/** As a transport feeds it: bytes, cut anywhere, through one decoder. */
function decoded(bytes: Uint8Array, size: number): Seen[] {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    pieces.push(decoder.decode(bytes.subarray(at, at + size), { stream: true }));
  }
  return parsed(...pieces);
}

// Retold from the `eventsource` tests of web-platform-tests: the name is the file's.
const CASES: Record<string, [stream: string, events: Seen[]]> = {
  "format-bom": ["\uFEFFdata:1\n\ndata:2\n\n", [["message", "1", ""], ["message", "2", ""]]],
  "format-bom-2": ["\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n", [["message", "2", ""], ["message", "3", ""]]],
  "format-comments": [
    `data:1\r:\0\n:\r\ndata:2\n:${"x".repeat(4096)}\rdata:3\n:data:fail\r:x\rdata:4\n\n`,
    [["message", "1\n2\n3\n4", ""]],
  ],
  "format-data-before-final-empty-line": ["retry:1000\ndata:test1\n\nid:test\ndata:test2", [1000, ["message", "test1", ""]]],
  "format-field-data": [
    "data:\n\ndata\ndata\n\ndata:test\n\n",
    [["message", "", ""], ["message", "\n", ""], ["message", "test", ""]],
  ],
  "format-field-event": ["event:test\ndata:x\n\ndata:x\n\n", [["test", "x", ""], ["message", "x", ""]]],
  "format-field-event-empty": ["event: \ndata:data\n\n", [["message", "data", ""]]],
  "format-field-id": ["id: 1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n", [["message", "a", "1"], ["message", "b", "1"], ["message", "c", ""]]],
  "format-field-id-null": ["id:1\0 2\ndata:a\n\nid: x\nid:\0\ndata:b\n\n", [["message", "a", ""], ["message", "b", "x"]]],
  "format-field-parsing": [
    "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    [["message", "\0\n 2\n1\n3\n\n4", ""]],
  ],
  "format-field-retry": ["retry:3000\ndata:x\n\n", [3000, ["message", "x", ""]]],
  "format-field-retry-bogus": ["retry:3000\nretry:1000x\nretry:-1\nretry: 0x1\nretry:\ndata:x\n\n", [3000, ["message", "x", ""]]],
  "format-field-unknown": ["data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n", [["message", "test\n\ntest", ""]]],
  "format-leading-space": ["data:\ttest\rdata: \ndata:test\n\n", [["message", "\ttest\n\ntest", ""]]],
  "format-newlines": ["data:test\r\ndata\ndata:test\r\n\r\ndata:\r\r\n", [["message", "test\n\ntest", ""], ["message", "", ""]]],
  "format-null-character": ["data:\0\n\n\n\n", [["message", "\0", ""]]],
  "format-utf-8": ["data:ok…é😀\u2028x\n\n", [["message", "ok…é😀\u2028x", ""]]],
  "an event without data sets the id and is none": ["id: 7\n\ndata: x\n\nevent: a\n\ndata: y\n\n", [["message", "x", "7"], ["message", "y", "7"]]],
};

for (const [name, [stream, events]] of Object.entries(CASES)) {
  test(name, () => {
    const bytes = new TextEncoder().encode(stream);
    for (let size = 1; size <= Math.min(bytes.length, 64); size++) {
      expect(decoded(bytes, size), `in pieces of ${size}`).toEqual(events);
    }
    expect(decoded(bytes, bytes.length)).toEqual(events);
  });
}

test("every cut between CR and LF is one line end", () => {
  const stream = "id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\ndata: z\r\r";
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const pieces = [stream.slice(0, first), stream.slice(first, second), "", stream.slice(second)];
      expect(parsed(...pieces)).toEqual([["a", "x\ny", "1"], ["message", "z", "1"]]);
    }
  }
});

test("a long line that drips in costs no more than its length", () => {
  const seen: string[] = [];
  const parser = new Parser({ message: (_, data) => seen.push(data), retry: () => {} });
  parser.push("data: ");
  for (let piece = 0; piece < 100_000; piece++) parser.push("0123456789");
  parser.push("\n\n");
  expect(seen.map((data) => data.length)).toEqual([1_000_000]);
});
