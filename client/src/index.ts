export { FanfareClient } from "./client.js";
// By star: so an application can extend `SSEEvents` through this module.
export type * from "./events.js";
export { type ClientOptions, type ClientState, type ClientStatus, SSEError } from "./options.js";
