/** How many ids are remembered to tell repeats. */
const REMEMBERED = 1024;
/** Between two writes to `sessionStorage`. */
const WRITE_EVERY = 200;

/** Where a client is in its stream: the last id, those before it, and its place in `sessionStorage`. */
export class Position {
  readonly #key: string | undefined;
  readonly #storage: Storage | undefined;
  readonly #seen = new Set<string>();
  #writing: ReturnType<typeof setTimeout> | undefined;
  id: string;

  /** With a `key`, the position is kept under it. */
  constructor(id: string, key: string | undefined) {
    this.#key = key;
    this.id = id;
    try {
      if (key) {
        this.#storage = sessionStorage;
        this.id ||= this.#storage.getItem(key) ?? "";
      }
    } catch {
      // Forbidden, or no browser: a reload begins anew.
    }
    if (this.id) this.#seen.add(this.id);
  }

  /** Whether an event with this id is to be dispatched: not if it was before. One without an id always is. */
  isNew(id: string): boolean {
    return !this.#seen.has(id);
  }

  moveTo(id: string): void {
    if (!id || id === this.id) return;
    this.id = id;
    this.#seen.add(id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
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
