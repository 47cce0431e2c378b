/** What a parser tells, in order: events, positions (without a type), and values of `retry`. */
export type Seen = [type: string, data: string, id: string] | number;

/** Streams, retold from the `eventsource` tests of web-platform-tests: the name is the file's. */
export const CASES: Record<string, [stream: string, events: Seen[]]> = {
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
  // Of these two what one stream shows: the position that outlives it is the client's.
  "format-field-id-2": ["id: …\ndata:hello\n\ndata:b\n\n", [["message", "hello", "…"], ["message", "b", "…"]]],
  "format-field-id-3": [
    "id: 1\ndata:1\n\nid: 2\ndata:2\n\ndata:3\n\nid:\ndata:4\n\ndata:5\n\n",
    [["message", "1", "1"], ["message", "2", "2"], ["message", "3", "2"], ["message", "4", ""], ["message", "5", ""]],
  ],
  "format-field-parsing": [
    "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    [["message", "\0\n 2\n1\n3\n\n4", ""]],
  ],
  "format-field-retry": ["retry:3000\ndata:x\n\n", [3000, ["message", "x", ""]]],
  "format-field-retry-empty": ["retry\ndata:test\n\n", [["message", "test", ""]]],
  "format-field-retry-bogus": ["retry:3000\nretry:1000x\nretry:-1\nretry: 0x1\nretry:\ndata:x\n\n", [3000, ["message", "x", ""]]],
  "format-field-unknown": ["data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n", [["message", "test\n\ntest", ""]]],
  "format-leading-space": ["data:\ttest\rdata: \ndata:test\n\n", [["message", "\ttest\n\ntest", ""]]],
  "format-newlines": ["data:test\r\ndata\ndata:test\r\n\r\ndata:\r\r\n", [["message", "test\n\ntest", ""], ["message", "", ""]]],
  "format-null-character": ["data:\0\n\n\n\n", [["message", "\0", ""]]],
  "format-utf-8": ["data:ok…é😀\u2028x\n\n", [["message", "ok…é😀\u2028x", ""]]],
  "event-data": ["data:msg\ndata:msg\n\n:\ndata\n\ndata:end\n\n", [["message", "msg\nmsg", ""], ["message", "", ""], ["message", "end", ""]]],
  "an event without data sets the id and is none": [
    "id: 7\n\ndata: x\n\nevent: a\n\ndata: y\n\nid\n\n",
    [["", "", "7"], ["message", "x", "7"], ["message", "y", "7"], ["", "", ""]],
  ],
};
