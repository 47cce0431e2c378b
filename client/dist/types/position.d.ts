/** A client's position in its stream: the last id and those before it, kept in `sessionStorage` where wanted. */
export declare class Position {
    #private;
    id: string;
    /** With a `key`, the position is kept under it in `sessionStorage`. */
    constructor(id: string, key: string | undefined);
    /** A new stream may repeat earlier events until it brings a new one. */
    begin(): void;
    has(id: string): boolean;
    /**
     * Whether an event is to be dispatched: not if it repeats one. A repeat has a known id in its own block (an event without one
     * inherits the last) and the same text (a restarted server may count from 1 again). Only the beginning of a stream is
     * checked: within one stream nothing repeats, even where ids go back.
     */
    isNew(id: string | undefined, text: string): boolean;
    /** Moves to an event, or to a position (no text). An empty id resets the position, `undefined` leaves it. */
    moveTo(id: string | undefined, text?: string): void;
    /** Writes the position now: the page may be gone in a moment. */
    save(): void;
}
