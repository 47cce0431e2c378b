/** Callbacks of the parser. */
export interface ParserSink {
    /**
     * A block ended. `id` is the one in this block, if any; an empty one resets the position. A block without data is no event:
     * its `type` is empty, and it only moves the position.
     */
    message(type: string, data: string, id: string | undefined): void;
    retry(ms: number): void;
}
/**
 * Parses an event stream (WHATWG HTML, 9.2.6), fed with text cut anywhere. The decoder before it drops a leading byte order
 * mark.
 */
export declare class Parser {
    #private;
    constructor(sink: ParserSink);
    push(text: string): void;
}
