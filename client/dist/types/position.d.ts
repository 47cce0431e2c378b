/** Where a client is in its stream: the last id, those before it, and its place in `sessionStorage`. */
export declare class Position {
    #private;
    id: string;
    /** With a `key`, the position is kept under it. */
    constructor(id: string, key: string | undefined);
    /** Whether an event with this id is to be dispatched: not if it was before. One without an id always is. */
    isNew(id: string): boolean;
    moveTo(id: string): void;
    /** Now, since the page may be gone in a moment. */
    save(): void;
}
