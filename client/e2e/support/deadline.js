import { setTimeout as pause } from "node:timers/promises";

/** Asks until it holds. */
export async function eventually(check, { within = 300_000, every = 25 } = {}) {
  const deadline = Date.now() + within;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(every);
    }
  }
}
