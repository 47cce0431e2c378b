/** How many ids are remembered to detect repeats. */
const REMEMBERED = 1024;
/** Shortest time between two writes to `sessionStorage`, in ms. */
const WRITE_EVERY = 200;

/** A client's position in its stream: the last id and those before it, kept in `sessionStorage` where wanted. */
export class Position {
  readonly #key: string | undefined;
  readonly #storage: Storage | undefined;
  /** Ids reached, each with the checksum of its event's text; 0 where the text is not known. */
  readonly #seen = new Map<string, number>();
  /** The stream has not brought anything new yet. */
  #begins = true;
  #writing: ReturnType<typeof setTimeout> | undefined;
  id: string;

  /** With a `key`, the position is kept under it in `sessionStorage`. */
  constructor(id: string, key: string | undefined) {
    this.#key = key;
    try {
      if (key) {
        id ||= sessionStorage.getItem(key) ?? "";
        this.#storage = sessionStorage;
      }
    } catch {
      // Forbidden, or no browser: a reload starts over.
    }
    this.id = id;
    if (id) this.#seen.set(id, 0);
  }

  /** A new stream may repeat earlier events until it brings a new one. */
  begin(): void {
    this.#begins = true;
  }

  has(id: string): boolean {
    return this.#seen.has(id);
  }

  /**
   * Whether an event is to be dispatched: not if it repeats one. A repeat has a known id in its own block (an event without one
   * inherits the last) and the same text (a restarted server may count from 1 again). Only the beginning of a stream is
   * checked: within one stream nothing repeats, even where ids go back.
   */
  isNew(id: string | undefined, text: string): boolean {
    if (!id) return true;
    this.#begins &&= this.has(id) && (text === "" || [0, checksum(text)].includes(this.#seen.get(id)!));
    return !this.#begins;
  }

  /** Moves to an event, or to a position (no text). An empty id resets the position, `undefined` leaves it. */
  moveTo(id: string | undefined, text = ""): void {
    if (id === undefined) return;
    this.id = id;
    if (id && (text || !this.has(id))) this.#seen.set(id, checksum(text));
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    if (this.#storage) this.#writing ??= setTimeout(() => this.save(), WRITE_EVERY);
  }

  /** Writes the position now: the page may be gone in a moment. */
  save(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    try {
      this.#storage?.setItem(this.#key!, this.id);
    } catch {
      // The storage is full.
    }
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return sum;
}
