// What an application hears of any server's stream, and what the next request says of it, on a wire.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { FanfareClient, type SSEEvent } from "../src/index.js";
import { Server, status, stream } from "./support/server.js";
import { OTHER_CHARSET, STANDARD, TYPES } from "./support/standard.js";

let server: Server;
beforeAll(async () => void (server = await Server.start()));
afterAll(() => server.stop());

const PATIENCE = { timeout: 60_000, interval: 5 };
/** Waits for days rather than come back by itself. */
const OPTIONS = { transport: "fetch", reconnectInterval: 2 ** 31, maxReconnectInterval: 2 ** 31 } as const;
let paths = 0;

for (const [name, { stream: text, heard, lastEventId }] of Object.entries(STANDARD)) {
  test(name, async () => {
    for (const size of [1, 2, 3, Infinity]) {
      const path = `/${paths++}`;
      const client = new FanfareClient<Record<string, unknown>>({ ...OPTIONS, url: server.at(path, stream(text, { size }), status(204)) });
      const events: SSEEvent<Record<string, unknown>>[] = [];
      client.onEvent((event) => events.push(event));
      client.connect();
      await vi.waitFor(() => expect(client.getState().status).toBe("waiting"), PATIENCE);
      expect(client.getState().lastEventId).toBe(lastEventId ?? "");
      // Now rather than when it is due.
      client.close();
      client.connect();
      await vi.waitFor(() => expect(client.getState().status).toBe("closed"), PATIENCE);
      expect(events.map(({ type, text, id }) => [type, text, id]), `in pieces of ${size}`).toEqual(heard);
      const asked = server.asked.filter(({ url }) => url === path).map(({ headers }) => headers["last-event-id"] as string | undefined);
      expect(asked.map((id) => id && Buffer.from(id, "latin1").toString())).toEqual([undefined, lastEventId]);
    }
  });
}

const types = [...Object.entries(TYPES), [OTHER_CHARSET, true] as const];
test.each(types)("%j is a stream: %s", async (type, isStream) => {
  const client = new FanfareClient({ ...OPTIONS, url: server.at(`/${paths++}`, stream("data: ok…\n\n", { type, hold: true })) });
  const heard: string[] = [];
  client.onEvent(({ text }) => heard.push(text));
  client.connect();
  await vi.waitFor(() => expect(["open", "failed"]).toContain(client.getState().status), PATIENCE);
  expect([client.getState().status, ...heard]).toEqual(isStream ? ["open", "ok…"] : ["failed"]);
  client.close();
});

test("a position from elsewhere is sent in the same octets", async () => {
  const path = `/${paths++}`;
  const client = new FanfareClient({ ...OPTIONS, url: server.at(path, stream("data: a\n\n", { hold: true })), lastEventId: "…" });
  const ids: string[] = [];
  client.onEvent(({ id }) => ids.push(id));
  client.connect();
  await vi.waitFor(() => expect(ids).toEqual(["…"]), PATIENCE);
  expect(server.asked.at(-1)!.headers["last-event-id"]).toBe(Buffer.from("…").toString("latin1"));
  client.close();
});
