export { FanfareClient } from "./client.js";
export type * from "./events.js";
export { type ClientOptions, type ClientState, type ClientStatus, SSEError } from "./options.js";
