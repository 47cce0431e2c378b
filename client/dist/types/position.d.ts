/**
 * A client's position in its stream: the last id and those before it, kept in `sessionStorage` where wanted.
 *
 * Each is a mark, a text that says what was dispatched with an id: the id alone where that is not known, and so any event with it is
 * a repeat; the id, a line end and a checksum for an event; the id and a line end for a position without an event.
 */
export declare class Position {
    #private;
    /** With a `key`, the position is kept under it in `sessionStorage`. */
    constructor(id: string, key: string | undefined);
    get id(): string;
    /** A new stream may repeat earlier events until it brings a new one. */
    begin(): void;
    /** The newest mark of an id that was reached. */
    find(id: string): string | undefined;
    /**
     * Whether an event is to be dispatched: not if it repeats one that was. A repeat has a known id in its own block (an event without
     * one inherits the last) and the same name and text (a restarted server may count from 1 again). Only the beginning of a stream is
     * checked: within one stream nothing repeats, even where ids go back. No `mark`: a position.
     */
    isNew(id: string | undefined, mark: string): boolean;
    /** Moves to what `mark` says, or to a position. An empty id resets the position, `undefined` leaves it. */
    moveTo(id: string | undefined, mark?: string): void;
    /** Writes the position now: the page may be gone in a moment. */
    save(): void;
}
/** The mark of an event. */
export declare function markOf(id: string | undefined, type: string, text: string): string;
