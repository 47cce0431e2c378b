// The client against a server that speaks HTTP, on a wire: what web-platform-tests have of requests and answers in their folder
// `eventsource`, retold where it fits a client that is none. The name in each test is the file's.

import { once } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClientOptions, FanfareClient } from "../src/index.js";
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
  return vi.waitFor(() => expect(statuses).toContain(client.getState().status), { timeout: 60_000, interval: 5 });
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
  await vi.waitFor(() => expect(heard).toEqual(["a", "half"]), { timeout: 60_000 });
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
