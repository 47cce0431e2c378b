// What an application hears of a stream of any server, by the standard: served here as the server sent it.

import { CASES } from "./cases.js";

export interface Case {
  /** The answer to the first request. */
  readonly stream: string;
  /** Every event, with the last id at it. */
  readonly heard: readonly (readonly [type: string, text: string, id: string])[];
  /** What the next request says in `Last-Event-ID`; undefined: nothing. */
  readonly lastEventId?: string | undefined;
  /** Browsers do otherwise: Chromium waits for weeks. */
  readonly apart?: true;
}

const message = (text: string, id = ""): Case["heard"][number] => ["message", text, id];
const greeting = (text: string, id = ""): Case["heard"][number] => ["greeting", text, id];
const BOM = "\uFEFF";

/** As the contract tests of LaunchDarkly's clients have them, by their names. */
const LAUNCHDARKLY: Record<string, Case> = {
  "one-line message": { stream: "data: Hello\n\n", heard: [message("Hello")] },
  "two one-line messages": { stream: "data: Hello\n\ndata: World\n\n", heard: [message("Hello"), message("World")] },
  "one two-line message": { stream: "data: Hello\ndata:World\n\n", heard: [message("Hello\nWorld")] },
  "empty data": { stream: "data:\n\n", heard: [message("")] },
  "event with specific type": { stream: "event: greeting\ndata: Hello\n\n", heard: [greeting("Hello")] },
  "event with ID": { stream: "id: abc\ndata: Hello\n\n", heard: [message("Hello", "abc")], lastEventId: "abc" },
  "event with type and ID": { stream: "event: greeting\nid: abc\ndata: Hello\n\n", heard: [greeting("Hello", "abc")], lastEventId: "abc" },
  "ID field is ignored if it contains a null": { stream: "id: a\0bc\ndata: Hello\n\n", heard: [message("Hello")] },
  "last ID persists if not overridden by later event": {
    stream: "id: abc\ndata: first\n\ndata: second\n\n",
    heard: [message("first", "abc"), message("second", "abc")],
    lastEventId: "abc",
  },
  "last ID can be overridden by an empty value": {
    stream: "id: abc\ndata: first\n\nid: \ndata: second\n\n",
    heard: [message("first", "abc"), message("second")],
  },
  "fields in reverse order": { stream: "data: Hello\nid: abc\nevent: greeting\n\n", heard: [greeting("Hello", "abc")], lastEventId: "abc" },
  "unknown field is ignored": { stream: "event: greeting\ncolor: blue\ndata: Hello\n\n", heard: [greeting("Hello")] },
  "fields without leading space": { stream: "event:greeting\ndata:Hello\n\n", heard: [greeting("Hello")] },
  "fields with extra leading space": { stream: "event:  greeting\ndata:  Hello\n\n", heard: [[" greeting", " Hello", ""]] },
  "field with no colon": { stream: "data\n\ndata\ndata\n\n", heard: [message(""), message("\n")] },
  "multi-byte characters": { stream: "data: €豆腐\n\n", heard: [message("€豆腐")] },
  "many messages in rapid succession": {
    stream: Array.from({ length: 100 }, (_, n) => `data: message ${n}\n\n`).join(""),
    heard: Array.from({ length: 100 }, (_, n) => message(`message ${n}`)),
  },
  "comment before event": { stream: ":Hello\ndata: Hello\n\n", heard: [message("Hello")] },
  "two comments in a row, and one after the event": { stream: ":Hello\n:World\ndata: Hello\n\n:Hello\n", heard: [message("Hello")] },
  "comment within an event": { stream: "data: a\n:Hello\ndata: b\n\n", heard: [message("a\nb")] },
  "BOM at start of stream is stripped": { stream: `${BOM}data: Hello\n\n`, heard: [message("Hello")] },
  "BOM stripped before first event with type and ID": {
    stream: `${BOM}event: greeting\nid: abc\ndata: Hello\n\n`,
    heard: [greeting("Hello", "abc")],
    lastEventId: "abc",
  },
  "BOM stripped with multiple messages": { stream: `${BOM}data: First\n\ndata: Second\n\n`, heard: [message("First"), message("Second")] },
  "BOM only stripped at stream start, not from later data": {
    stream: `data: First\n\ndata: ${BOM}Second\n\n`,
    heard: [message("First"), message(`${BOM}Second`)],
  },
  "only first BOM at start is stripped": { stream: `${BOM}data: ${BOM}Hello\n\n`, heard: [message(`${BOM}Hello`)] },
  "BOM with multi-line data": { stream: `${BOM}data: Line1\ndata: Line2\n\n`, heard: [message("Line1\nLine2")] },
  "BOM with comment at start": { stream: `${BOM}:comment\ndata: Hello\n\n`, heard: [message("Hello")] },
  "BOM does not affect empty data field": { stream: `${BOM}data:\n\n`, heard: [message("")] },
};

/** Of the same, those with each kind of line end. */
function lineEnds(name: string, end: string): Record<string, Case> {
  const lines = (...all: string[]): string => all.map((line) => line + end).join("");
  return {
    [`${name}: one-line event`]: { stream: lines("data: event 1", ""), heard: [message("event 1")] },
    [`${name}: one-line event + two-line event`]: {
      stream: lines("data: event 1", "", "data: event 2 line 1", "data: event 2 line 2", ""),
      heard: [message("event 1"), message("event 2 line 1\nevent 2 line 2")],
    },
    [`${name}: 3-line event with empty line at beginning`]: { stream: lines("data:", "data: line2", "data: line3", ""), heard: [message("\nline2\nline3")] },
    [`${name}: 3-line event with empty line in middle`]: { stream: lines("data: line1", "data:", "data: line3", ""), heard: [message("line1\n\nline3")] },
    [`${name}: ignores 1 extra empty line`]: { stream: lines("data: event 1", "", "", "data: event 2", ""), heard: [message("event 1"), message("event 2")] },
    [`${name}: ignores 2 extra empty lines`]: { stream: lines("data: event 1", "", "", "", "data: event 2", ""), heard: [message("event 1"), message("event 2")] },
    [`${name}: ids and types`]: {
      stream: lines("id: 1", "event: greeting", "data: a", "", "id: 2", "", "data: b", ""),
      heard: [greeting("a", "1"), message("b", "2")],
      lastEventId: "2",
    },
  };
}

/** What else other clients were found to differ in. */
const MORE: Record<string, Case> = {
  "an id outside Latin-1": { stream: "id: 位置-…-😀\ndata: a\n\n", heard: [message("a", "位置-…-😀")], lastEventId: "位置-…-😀" },
  "an id in Latin-1": { stream: "id: é\ndata: a\n\n", heard: [message("a", "é")], lastEventId: "é" },
  "an id with spaces and a colon": { stream: "id: a: b c\ndata: a\n\n", heard: [message("a", "a: b c")], lastEventId: "a: b c" },
  "a block of an id alone is a position": { stream: "id: 1\ndata: a\n\nid: 2\n\n", heard: [message("a", "1")], lastEventId: "2" },
  "a block of an id and a type alone, too": { stream: "data: a\n\nid: 2\nevent: greeting\n\ndata: b\n\n", heard: [message("a"), message("b", "2")], lastEventId: "2" },
  "a block of an empty id alone forgets the position": { stream: "id: 1\ndata: a\n\nid\n\n", heard: [message("a", "1")] },
  "of several ids in a block the last stands": { stream: "id: 1\nid: 2\ndata: a\n\n", heard: [message("a", "2")], lastEventId: "2" },
  "ids that go back are followed": {
    stream: "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 1\ndata: c\n\n",
    heard: [message("a", "1"), message("b", "2"), message("c", "1")],
    lastEventId: "1",
  },
  "one id for several events": { stream: "id: 1\ndata: a\n\nid: 1\ndata: a\n\n", heard: [message("a", "1"), message("a", "1")], lastEventId: "1" },
  "an id for what was told by its id alone": { stream: "id: 1\n\nid: 1\ndata: a\n\n", heard: [message("a", "1")], lastEventId: "1" },
  "the id of a block that was cut off is none": { stream: "id: 1\ndata: a\n\nid: 2\ndata: b\n", heard: [message("a", "1")], lastEventId: "1" },
  "an id that is cut off": { stream: "id: 1\ndata: a\n\nid: 2", heard: [message("a", "1")], lastEventId: "1" },
  "an id with a null beside a good one": { stream: "id: 1\nid: 2\0\ndata: a\n\n", heard: [message("a", "1")], lastEventId: "1" },
  "names of fields have upper and lower case": { stream: "DATA: a\nId: 1\ndata: b\n\n", heard: [message("b")] },
  "a space before a field's name": { stream: " data: a\ndata: b\n\n", heard: [message("b")] },
  "a tab after the colon stays": { stream: "data:\ta\n\n", heard: [message("\ta")] },
  "a type stands for one event": { stream: "event: greeting\ndata: a\n\ndata: b\n\n", heard: [greeting("a"), message("b")] },
  "a type without data is none of the next event's": { stream: "event: greeting\n\ndata: b\n\n", heard: [message("b")] },
  "of several types in a block the last stands": { stream: "event: x\nevent: greeting\ndata: a\n\n", heard: [greeting("a")] },
  "an empty type after another is the default": { stream: "event: greeting\nevent:\ndata: a\n\n", heard: [message("a")] },
  "other line ends of Unicode are none": { stream: "data: a\u2028b\u2029c\u0085d\u000be\u000cf\n\n", heard: [message("a\u2028b\u2029c\u0085d\u000be\u000cf")] },
  "retry beyond what timers hold is ignored": { stream: "retry: 1\nretry: 2147483648\nretry: 99999999999999999999\ndata: a\n\n", heard: [message("a")], apart: true },
  "retry in other digits is ignored": { stream: "retry: 1\nretry: ١٢٣٤٥٦٧\nretry: 1e9\nretry: 12345678 \nretry: +12345678\ndata: a\n\n", heard: [message("a")] },
  "colons after the first are the value's": { stream: "data: a: b:c\ndata::\n\n", heard: [message("a: b:c\n:")] },
  "a line of a colon": { stream: ":\n\n:\ndata: a\n\n", heard: [message("a")] },
};

function web(): Record<string, Case> {
  const cases = Object.entries(CASES).map(([name, [stream, seen]]): [string, Case] => {
    const blocks = seen.filter((one) => typeof one !== "number");
    return [`WPT ${name}`, { stream, heard: blocks.filter(([type]) => type), lastEventId: blocks.at(-1)?.[2] || undefined }];
  });
  return Object.fromEntries(cases);
}

export const STANDARD: Record<string, Case> = {
  ...web(),
  ...LAUNCHDARKLY,
  ...lineEnds("LF", "\n"),
  ...lineEnds("CRLF", "\r\n"),
  ...lineEnds("CR", "\r"),
  ...MORE,
};

/** Types of an answer, and whether browsers take it for a stream. */
export const TYPES: Record<string, boolean> = {
  "text/event-stream": true,
  "text/event-stream;": true,
  "text/event-stream;charset=UTF-8": true,
  'text/event-stream;charset="utf-8"': true,
  "text/event-stream,": true,
  "text/event-stream, ": true,
  ",text/event-stream": true,
  "text/event-stream bogus": true,
  "text/event-stream, bogus": true,
  "bogus, text/event-stream": true,
  "text/event-stream;bogus": true,
  "text/event-stream\t;a": true,
  "text/event-stream (comment)": true,
  "text/event-stream(comment)": true,
  "text/event-stream, */*": true,
  "*/*, text/event-stream": true,
  "text/event-stream,text/event-stream": true,
  "text/plain, text/event-stream": true,
  "text/html;, text/event-stream": true,
  "Text/Event-Stream ; x=bogus": true,
  'text/event-stream; x="a, text/plain"': true,
  'text/event-stream; x="a\\", text/plain"': true,
  'text/event-stream; x="a, b': true,
  "text/event-stream, ;charset=utf-8": true,
  "text/event-stream, text/plain": false,
  "text/event-stream, text/html; charset=utf-8": false,
  "text/event-stream, text/": false,
  "text/event-stream, a/b c": false,
  "text/event-streams": false,
  "text/event-stream/x": false,
  "text/ event-stream": false,
  '"text/event-stream"': false,
  "text/plain": false,
  "text/x-bogus": false,
  "x bogus": false,
};

/** One that browsers differ in: Firefox and Safari read it, as UTF-8 always, as the standard says; Chromium refuses it. */
export const OTHER_CHARSET = "text/event-stream; charset=windows-1252";
