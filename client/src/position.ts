/** How many ids are remembered to tell repeats. */
const REMEMBERED = 1024;
/** Between two writes to `sessionStorage`. */
const WRITE_EVERY = 200;

/** Where a client is in its stream: the last id, those before it, and its place in `sessionStorage`. */
export class Position {
  readonly #key: string | undefined;
  readonly #storage: Storage | undefined;
  /** Ids that were reached, each with the checksum of its event's text; 0 where that is not known. */
  readonly #seen = new Map<string, number>();
  /** The stream has brought nothing new yet. */
  #begins = true;
  #writing: ReturnType<typeof setTimeout> | undefined;
  id: string;

  /** With a `key`, the position is kept under it. */
  constructor(id: string, key: string | undefined) {
    this.#key = key;
    try {
      if (key) {
        id ||= sessionStorage.getItem(key) ?? "";
        this.#storage = sessionStorage;
      }
    } catch {
      // Forbidden, or no browser: a reload begins anew.
    }
    this.id = id;
    if (id) this.#seen.set(id, 0);
  }

  /** A stream begins: it may repeat what there was before it, until it brings something new. */
  begin(): void {
    this.#begins = true;
  }

  has(id: string): boolean {
    return this.#seen.has(id);
  }

  /**
   * Whether an event is to be dispatched: not if it repeats one. That is told by the id in its own block, since what has none has
   * but the last id, and by its text, since a server that was started anew may count from 1 again. A stream does not repeat itself:
   * where its ids go back, that is its way.
   */
  isNew(id: string | undefined, text: string): boolean {
    if (!id) return true;
    this.#begins &&= this.has(id) && (text === "" || [0, checksum(text)].includes(this.#seen.get(id)!));
    return !this.#begins;
  }

  /** Moves to an event, or to a position (without a text); an empty id forgets it, and none leaves it as it is. */
  moveTo(id: string | undefined, text = ""): void {
    if (id === undefined) return;
    this.id = id;
    if (id && (text || !this.has(id))) this.#seen.set(id, checksum(text));
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    if (this.#storage) this.#writing ??= setTimeout(() => this.save(), WRITE_EVERY);
  }

  /** Now, since the page may be gone in a moment. */
  save(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    try {
      this.#storage?.setItem(this.#key!, this.id);
    } catch {
      // Full.
    }
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return sum;
}
