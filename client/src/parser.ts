/** What comes out of a stream's text. */
export interface ParserSink {
  message(type: string, data: string, id: string): void;
  retry(ms: number): void;
}

const LINE_END = /\r\n?|\n/g;

/**
 * The interpretation of an event stream (WHATWG HTML, 9.2.6), fed with text in pieces cut anywhere. The decoder before it
 * drops a leading byte order mark.
 */
export class Parser {
  readonly #sink: ParserSink;
  /** The unfinished line, in the pieces in which it came. */
  #line: string[] = [];
  /** The last piece ended with a CR: an LF that begins the next one belongs to it. */
  #afterCr = false;
  #type = "";
  #data: string[] = [];
  #id = "";

  constructor(sink: ParserSink) {
    this.#sink = sink;
  }

  push(text: string): void {
    // The decoder had only a part of a character.
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
      const [type, data] = [this.#type, this.#data];
      this.#type = "";
      this.#data = [];
      if (data.length > 0) this.#sink.message(type || "message", data.join("\n"), this.#id);
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#sink.retry(Number(value));
  }
}
