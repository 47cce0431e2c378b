import { expect, test } from "vitest";
import { Parser } from "../src/parser.js";
import { Blocks } from "./support/blocks.js";
import { CASES, type Seen } from "./support/cases.js";

function parsed(...pieces: string[]): Seen[] {
  const blocks = new Blocks();
  const parser = new Parser(blocks);
  for (const piece of pieces) parser.push(piece);
  return blocks.seen;
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

test("a `retry` longer than timers go is ignored, at every length", () => {
  const told = (value: string) => parsed(`retry: ${value}\n`);
  expect(told("2147483647")).toEqual([2147483647]);
  for (const value of ["2147483648", "4294967296", "18446744073709551616", "9".repeat(400)]) expect(told(value), value).toEqual([]);
});
