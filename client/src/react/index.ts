"use client";

export type { UseSSEOptions } from "./options.js";
export { useSSE, type UseSSEResult } from "./useSSE.js";
export { useSSEEvent, type UseSSEEventOptions } from "./useSSEEvent.js";
