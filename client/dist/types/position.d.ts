/** Where a client is in its stream: the last id, those before it, and its place in `sessionStorage`. */
export declare class Position {
    #private;
    id: string;
    /** With a `key`, the position is kept under it. */
    constructor(id: string, key: string | undefined);
    /** A stream begins: it may repeat what there was before it, until it brings something new. */
    begin(): void;
    has(id: string): boolean;
    /**
     * Whether an event is to be dispatched: not if it repeats one. That is told by the id in its own block, since what has none has
     * but the last id, and by its text, since a server that was started anew may count from 1 again. A stream does not repeat itself:
     * where its ids go back, that is its way.
     */
    isNew(id: string | undefined, text: string): boolean;
    /** Moves to an event, or to a position (without a text); an empty id forgets it, and none leaves it as it is. */
    moveTo(id: string | undefined, text?: string): void;
    /** Now, since the page may be gone in a moment. */
    save(): void;
}
