/** What comes out of a stream's text. */
export interface ParserSink {
    /**
     * A block has ended. `id` is the one that stood in it, if one did; it may be empty, which is no position. A block without data
     * is no event: it has no `type` either, and tells only a position.
     */
    message(type: string, data: string, id: string | undefined): void;
    retry(ms: number): void;
}
/**
 * The interpretation of an event stream (WHATWG HTML, 9.2.6), fed with text in pieces cut anywhere. The decoder before it
 * drops a leading byte order mark.
 */
export declare class Parser {
    #private;
    constructor(sink: ParserSink);
    push(text: string): void;
}
