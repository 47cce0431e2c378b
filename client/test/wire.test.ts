// The client against a server that speaks HTTP, on a wire: what web-platform-tests have of requests and answers in their folder
// `eventsource`, retold where it fits a client that is none. The name in each test is the file's.

import { once } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClientOptions, FanfareClient } from "../src/index.js";
import { openFetch, type StreamSink } from "../src/transport.js";
import { Blocks } from "./support/blocks.js";
import { CASES, type Seen } from "./support/cases.js";
import { Server, status, stream } from "./support/server.js";

let server: Server;
let clients: FanfareClient[];

beforeEach(async () => {
  server = await Server.start();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

/** A client that was told to connect, and what it has heard. */
function begin(url: string, options: ClientOptions = {}) {
  const client = new FanfareClient({ url, transport: "fetch", reconnectInterval: 1, maxReconnectInterval: 1, ...options });
  clients.push(client);
  const heard: unknown[] = [];
  client.onEvent(({ data }) => heard.push(data));
  client.connect();
  return { client, heard };
}

function until(client: FanfareClient, ...statuses: string[]) {
  return vi.waitFor(() => expect(statuses).toContain(client.getState().status), { timeout: 5000, interval: 5 });
}

/** What one stream brings, until it ends. */
async function read(url: string): Promise<Seen[]> {
  const blocks = new Blocks();
  await new Promise<void>((resolve) => {
    const sink: StreamSink = Object.assign(blocks, { alive: () => {}, end: () => resolve() });
    openFetch(url, {}, sink);
  });
  return blocks.seen;
}

for (const [name, [text, events]] of Object.entries(CASES)) {
  test(`${name}, in chunks that are cut anywhere`, async () => {
    for (const size of [1, 2, 3, 5, 7, Infinity]) {
      expect(await read(server.at("/", stream(text, { size }))), `in pieces of ${size}`).toEqual(events);
    }
  });
}

test("request-accept, request-cache-control", async () => {
  const { client } = begin(server.at("/", stream("data: x\n\n", { hold: true })));
  await until(client, "open");
  const { method, headers } = server.asked[0]!;
  expect([method, headers.accept, headers["cache-control"], headers["last-event-id"]]).toEqual(["GET", "text/event-stream", "no-cache", undefined]);
});

test.each([301, 302, 303, 307, 308])("request-redirect: %i is followed", async (code) => {
  server.at("/there", stream("data: x\n\n", { hold: true }));
  const { client, heard } = begin(server.at("/", status(code, { Location: "/there" })));
  await until(client, "open");
  expect(heard).toEqual(["x"]);
});

test.each([204, 205, 210, 299, 404, 410])("request-status-error: %i is the end", async (code) => {
  const { client, heard } = begin(server.at("/", status(code)));
  await until(client, "closed", "failed");
  expect([server.asked.length, heard, client.getState().error?.status]).toEqual([1, [], code]);
});

test("request-status-error: after 503, which ends an EventSource, the client comes back", async () => {
  const { client, heard } = begin(server.at("/", status(503), status(502), stream("data: x\n\n", { hold: true })));
  await until(client, "open");
  expect([server.asked.length, heard]).toEqual([3, ["x"]]);
});

test.each(["x bogus", "text/x-bogus", "text/event-streams", "text/plain"])("format-mime-bogus, format-mime-valid-bogus: %s is no stream", async (type) => {
  const { client, heard } = begin(server.at("/", stream("data: x\n\n", { type })));
  await until(client, "failed");
  expect([server.asked.length, heard]).toEqual([1, []]);
});

test.each(["text/event-stream;", "text/event-stream;charset=utf-8", "Text/Event-Stream ; x=bogus"])("format-mime-trailing-semicolon: %s is one", async (type) => {
  const { client, heard } = begin(server.at("/", stream("data: x\n\n", { type, hold: true })));
  await until(client, "open");
  expect(heard).toEqual(["x"]);
});

test("eventsource-reconnect, format-field-id: who comes back says where it was", async () => {
  const answers = [stream("id: 1\ndata: a\n\ndata: cut sho"), stream("id: 2\ndata: b\n\n"), status(204)];
  const { client, heard } = begin(server.at("/", ...answers));
  await until(client, "closed");
  expect(heard).toEqual(["a", "b"]);
  expect(server.asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1", "2"]);
});

test("a stream that breaks within an event brings the rest of it once", async () => {
  const broken = stream("id: 1\ndata: a\n\nid: 2\ndata: hal", { hold: true });
  const { client, heard } = begin(
    server.at("/", async (request, response) => {
      await broken(request, response);
      response.destroy();
    }, stream("id: 2\ndata: half\n\n", { hold: true })),
  );
  await vi.waitFor(() => expect(heard).toEqual(["a", "half"]), { timeout: 5000 });
  expect(server.asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1"]);
  expect(client.getState().status).toBe("open");
});

test("eventsource-close, eventsource-request-cancellation: an end takes the connection with it", async () => {
  const { client, heard } = begin(server.at("/", stream("data: x\n\n", { hold: true })));
  await until(client, "open");
  const gone = once(server.asked[0]!.socket, "close");
  client.close();
  await gone;
  expect([server.asked.length, heard, client.getState().status]).toEqual([1, ["x"], "closed"]);
});

test("eventsource-close: one before any answer, too", async () => {
  let ask!: () => void;
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const { client } = begin(server.at("/", () => ask()));
  await asked;
  const gone = once(server.asked[0]!.socket, "close");
  client.close();
  await gone;
  expect([server.asked.length, client.getState().status]).toEqual([1, "closed"]);
});

test("eventsource-constructor-url-bogus: an address that is none is told", async () => {
  const { client } = begin("http://this is invalid/", { maxReconnectAttempts: 0 });
  await until(client, "failed");
  expect(client.getState().error?.message).toMatch(/invalid url/i);
});
