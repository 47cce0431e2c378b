import type { ParserSink } from "../../src/parser.js";
import type { Seen } from "./cases.js";

/** What a parser tells, with the id that stands at each event: its own, or the last before it. */
export class Blocks implements ParserSink {
  readonly seen: Seen[] = [];
  #id = "";

  message(type: string, data: string, id: string | undefined): void {
    this.#id = id ?? this.#id;
    this.seen.push([type, data, this.#id]);
  }

  retry(ms: number): void {
    this.seen.push(ms);
  }
}
