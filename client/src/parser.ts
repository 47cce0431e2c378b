/** Callbacks of the parser. */
export interface ParserSink {
  /**
   * A block ended. `id` is the one in this block, if any; an empty one resets the position. A block without data is no event:
   * its `type` is empty, and it only moves the position.
   */
  message(type: string, data: string, id: string | undefined): void;
  retry(ms: number): void;
}

const LINE_END = /\r\n?|\n/g;
/** Longest delay of a timer, over three weeks. A longer `retry` is ignored. */
const LONGEST = 2 ** 31 - 1;

/**
 * Parses an event stream (WHATWG HTML, 9.2.6), fed with text cut anywhere. The decoder before it drops a leading byte order
 * mark.
 */
export class Parser {
  readonly #sink: ParserSink;
  /** The pieces of the unfinished line. */
  #line: string[] = [];
  /** The last piece ended with CR: an LF at the start of the next one belongs to it. */
  #afterCr = false;
  #type = "";
  #data: string[] = [];
  #id: string | undefined;

  constructor(sink: ParserSink) {
    this.#sink = sink;
  }

  push(text: string): void {
    // The decoder has only part of a character.
    if (text === "") return;
    if (this.#afterCr && text.startsWith("\n")) text = text.slice(1);
    let start = 0;
    for (const end of text.matchAll(LINE_END)) {
      this.#line.push(text.slice(start, end.index));
      start = end.index + end[0].length;
      const line = this.#line.join("");
      this.#line = [];
      this.#take(line);
    }
    this.#afterCr = text.endsWith("\r");
    if (start < text.length) this.#line.push(text.slice(start));
  }

  #take(line: string): void {
    if (line === "") {
      const [type, data, id] = [this.#type, this.#data, this.#id];
      this.#type = "";
      this.#data = [];
      this.#id = undefined;
      if (data.length > 0) this.#sink.message(type || "message", data.join("\n"), id);
      else if (id !== undefined) this.#sink.message("", "", id);
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value) && Number(value) <= LONGEST) this.#sink.retry(Number(value));
  }
}
