import { afterEach, beforeEach, vi } from "vitest";
import type { FanfareClient } from "../../src/index.js";
import { type Request, requests } from "./streams.js";

/** The requests of the current test. */
export let asked: Request[];
/** The clients of the current test, which are closed at its end. */
export let clients: FanfareClient[];

/** Gives each test of a file fake timers and a fake `fetch`. Call it before other hooks that need these. */
export function setUp(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    asked = requests();
    clients = [];
  });

  afterEach(() => {
    for (const client of clients) client.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
