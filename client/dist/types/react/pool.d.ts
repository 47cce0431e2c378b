import { FanfareClient } from "../index.js";
import { type Latest } from "./options.js";
/** A component's hold on a connection. */
export interface Hold<E> {
    readonly client: FanfareClient<E>;
    /** Idempotent. The connection is closed once nobody has held it for the rest of the turn. */
    release(): void;
}
/** Takes hold of the connection with that key, which the first to hold it opens. */
export declare function hold<E>(key: string, latest: Latest<E>): Hold<E>;
/** How many connections components share now, or shared a moment ago. */
export declare function connections(): number;
