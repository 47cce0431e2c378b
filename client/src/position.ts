/** How many marks are remembered to detect repeats. */
const REMEMBERED = 1024;
/** Shortest time between two writes to `sessionStorage`, in ms. */
const WRITE_EVERY = 200;

/**
 * A client's position in its stream: the last id and those before it, kept in `sessionStorage` where wanted.
 *
 * Each is a mark, a text that says what was dispatched with an id: the id alone where that is not known, and so any event with it is
 * a repeat; the id, a line end and a checksum for an event; the id and a line end for a position without an event.
 */
export class Position {
  readonly #key: string | undefined;
  readonly #seen = new Set<string>();
  /** The stream has not brought anything new yet. */
  #begins = true;
  #writing: ReturnType<typeof setTimeout> | undefined;
  #mark: string;

  /** With a `key`, the position is kept under it in `sessionStorage`. */
  constructor(id: string, key: string | undefined) {
    this.#key = key;
    this.#mark = id;
    try {
      if (key) this.#mark ||= sessionStorage.getItem(key) ?? "";
    } catch {
      // Forbidden, or no browser: a reload starts over.
    }
    this.#seen.add(this.#mark);
  }

  get id(): string {
    return idOf(this.#mark);
  }

  /** A new stream may repeat earlier events until it brings a new one. */
  begin(): void {
    this.#begins = true;
  }

  /** The newest mark of an id that was reached. */
  find(id: string): string | undefined {
    return [...this.#seen].filter((mark) => idOf(mark) === id).at(-1);
  }

  /**
   * Whether an event is to be dispatched: not if it repeats one that was. A repeat has a known id in its own block (an event without
   * one inherits the last) and the same name and text (a restarted server may count from 1 again). Only the beginning of a stream is
   * checked: within one stream nothing repeats, even where ids go back. No `mark`: a position.
   */
  isNew(id: string | undefined, mark: string): boolean {
    if (!id) return true;
    this.#begins &&= mark ? this.#seen.has(id) || this.#seen.has(mark) : !!this.find(id);
    return !this.#begins;
  }

  /** Moves to what `mark` says, or to a position. An empty id resets the position, `undefined` leaves it. */
  moveTo(id: string | undefined, mark?: string): void {
    if (id === undefined) return;
    this.#mark = id && (mark || this.find(id) || `${id}\n`);
    this.#seen.add(this.#mark);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
    if (this.#key) this.#writing ??= setTimeout(() => this.save(), WRITE_EVERY);
  }

  /** Writes the position now: the page may be gone in a moment. */
  save(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    try {
      if (this.#key) sessionStorage.setItem(this.#key, this.#mark);
    } catch {
      // The storage is full, or there is none.
    }
  }
}

/** The mark of an event. */
export function markOf(id: string | undefined, type: string, text: string): string {
  let sum = 0;
  const all = `${type}\n${text}`;
  for (let at = 0; at < all.length; at++) sum = (Math.imul(sum, 31) + all.charCodeAt(at)) | 0;
  return `${id}\n${sum}`;
}

function idOf(mark: string): string {
  return mark.split("\n")[0]!;
}
