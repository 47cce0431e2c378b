/** What comes out of a stream's text. */
export interface ParserSink {
    message(type: string, data: string, id: string): void;
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
