// What the browser's own EventSource makes of any server's stream, and that the client makes the same of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Site } from "./support/site.js";
import { load } from "./support/typescript.js";

const { STANDARD, TYPES, OTHER_CHARSET } = await load("test/support/standard.ts");
const MODULE = readFileSync(new URL("../dist/client.js", import.meta.url));
const TIMES_OUT = { timeout: 300_000 };

let site;
let listener;
let page;
/** What each stream's second request said in `Last-Event-ID`. */
const positions = new Map();

function answer(request, response) {
  const url = new URL(request.url, "http://server");
  const name = url.searchParams.get("case");
  if (url.pathname === "/client.js") {
    response.writeHead(200, { "Content-Type": "text/javascript" }).end(MODULE);
  } else if (url.pathname === "/type") {
    response.writeHead(200, { "Content-Type": name }).end("data: ok…\n\n");
  } else if (url.pathname !== "/stream") {
    response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html>");
  } else {
    const key = `${url.searchParams.get("way")} ${name}`;
    if (positions.has(key)) {
      const id = request.headers["last-event-id"];
      positions.set(key, id && Buffer.from(id, "latin1").toString());
      response.writeHead(204).end();
    } else {
      positions.set(key, undefined);
      response.writeHead(200, { "Content-Type": "text/event-stream" }).end(STANDARD[name].stream);
    }
  }
}

before(async () => {
  site = await Site.open();
  listener = createServer(answer).listen(0, "127.0.0.1");
  await once(listener, "listening");
  page = await site.blank(`http://127.0.0.1:${listener.address().port}/`);
});
after(async () => {
  await site.close();
  listener.closeAllConnections();
  listener.close();
});

/** What is heard of these streams in the page, each until its second request was answered. */
function hear(way, cases) {
  return page.evaluate(
    async ([way, cases]) => {
      const { FanfareClient } = await import("/client.js");
      const hear = (name, types) =>
        new Promise((resolve) => {
          const url = `/stream?${new URLSearchParams({ way, case: name })}`;
          const heard = [];
          if (way === "native") {
            const source = new EventSource(url);
            for (const type of types) source.addEventListener(type, (event) => heard.push([type, event.data, event.lastEventId]));
            source.onerror = () => source.readyState === EventSource.CLOSED && resolve(heard);
          } else {
            const client = new FanfareClient({ url, transport: way, reconnectInterval: 1 });
            for (const type of types) client.on(type, ({ type, text, id }) => heard.push([type, text, id]));
            client.subscribe(() => {
              // After a 204 the client rests; an `EventSource` ends as it does after anything else.
              const { status, attempts } = client.getState();
              if (status !== "closed" && attempts < 2) return;
              client.close();
              resolve(heard);
            });
            client.connect();
          }
        });
      return Promise.all(cases.map(([name, types]) => hear(name, types)));
    },
    [way, cases],
  );
}

for (const way of ["native", "fetch", "eventsource"]) {
  test(`what is heard of any server's stream (${way})`, TIMES_OUT, async () => {
    const names = Object.keys(STANDARD).filter((name) => way === "fetch" || !STANDARD[name].apart);
    const heard = await hear(way, names.map((name) => [name, [...new Set(STANDARD[name].heard.map(([type]) => type))]]));
    for (const [index, name] of names.entries()) {
      const expected = { heard: STANDARD[name].heard, lastEventId: STANDARD[name].lastEventId };
      assert.deepEqual({ heard: heard[index], lastEventId: positions.get(`${way} ${name}`) }, expected, name);
    }
  });
}

test("what types of an answer are streams", TIMES_OUT, async () => {
  const types = Object.keys(TYPES);
  const [native, ours] = await page.evaluate(
    async (types) => {
      const { FanfareClient } = await import("/client.js");
      const url = (type) => `/type?${new URLSearchParams({ case: type })}`;
      const native = (type) =>
        new Promise((resolve) => {
          const source = new EventSource(url(type));
          const end = (isStream) => resolve(isStream, source.close());
          source.onmessage = ({ data }) => end(data === "ok…");
          source.onerror = () => end(false);
        });
      const ours = (type) =>
        new Promise((resolve) => {
          const client = new FanfareClient({ url: url(type), transport: "fetch" });
          client.on("message", ({ text }) => resolve(text === "ok…", client.close()));
          client.onError(() => resolve(false, client.close()));
          client.connect();
        });
      return [await Promise.all(types.map(native)), await Promise.all(types.map(ours))];
    },
    [...types, OTHER_CHARSET],
  );
  const told = (all) => Object.fromEntries(types.map((type, index) => [type, all[index]]));
  assert.deepEqual(told(native), TYPES);
  assert.deepEqual(told(ours), TYPES);
  assert.equal(ours.at(-1), true);
});
