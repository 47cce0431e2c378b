// The hook in a real browser, the network between, and the real server: each test with all of these of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test as run } from "node:test";
import { lastingPort } from "../../tests/support/port.mjs";
import { eventually } from "./support/deadline.js";
import { Network } from "./support/network.js";
import { Issuer, Server } from "./support/server.js";
import { numbered, range, Site } from "./support/site.js";

/** Quick ones, so that what is lost is back soon. */
const QUICK = { reconnectInterval: 100, maxReconnectInterval: 400, maxReconnectAttempts: 1000 };
/** The last of what is published; of a type that `EventSource` hears without being told of it. */
const END = { event: "message", data: "the end" };

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

function test(name, body) {
  run(name, { timeout: 600_000 }, body);
}

/** The same, however the browser reads the stream. */
function testBoth(name, body) {
  for (const transport of ["eventsource", "fetch"]) test(`${name} (${transport})`, (t) => body(t, transport));
}

testBoth("components share one connection, and the last one gone closes it", async (t, transport) => {
  const server = await Server.start(t);
  const tab = await site.tab(t);
  await tab.show({ url: server.url, transport }, 3);
  await tab.stands("open");
  await server.publish(...numbered(1, 5), END);
  for (const component of [0, 1, 2]) {
    assert.deepEqual(await tab.untilEnd(component), range(1, 5));
    const log = await tab.log(component);
    assert.deepEqual([log.updates, log.connects, log.disconnects, log.resets, log.errors], [5, 1, 0, [], []]);
  }
  assert.equal(await server.streams(), 1);

  await tab.show({ url: server.url, transport }, 1);
  await server.publish(END);
  await tab.count(7);
  assert.equal(await server.streams(), 1);
  assert.equal((await tab.log()).connects, 1);

  await tab.show({ url: server.url, transport }, 0);
  await server.has(0);
  assert.deepEqual(tab.troubles, []);
});

test("a component shows what it is told, and as many events as it asked for", async (t) => {
  const server = await Server.start(t);
  const tab = await site.tab(t);
  await tab.show({ url: server.url, maxEvents: 10, topics: ["a.*"], userId: "ada" });
  await tab.stands("open");
  await server.publish(
    { event: "update", data: "of another topic", to: { topic: "b.x" } },
    ...numbered(1, 30).map((event) => ({ ...event, to: { topic: "a.x" } })),
    { event: "notification", data: { title: "Ada's" }, to: { user: "ada" } },
  );
  await tab.page.locator("[data-part=last]", { hasText: "Ada's" }).waitFor();
  assert.equal(await tab.page.locator("[data-part=kept]").textContent(), "10");
  assert.deepEqual(await tab.count(31), [...range(1, 30), { title: "Ada's" }]);
});

test("a component lets go, and takes hold again where it stood", async (t) => {
  const server = await Server.start(t);
  const tab = await site.tab(t);
  await tab.show({ url: server.url, persist: false });
  await tab.stands("open");
  await server.publish(...numbered(1, 3));
  await tab.count(3);
  await tab.page.getByText("reconnect").click();
  await eventually(async () => assert.deepEqual([(await tab.log()).connects, await server.streams()], [2, 1]));
  await server.publish(...numbered(4, 6), END);
  assert.deepEqual(await tab.untilEnd(), range(1, 6));
  assert.deepEqual((await tab.log()).resets, []);
});

testBoth("a server that was killed is found again, and the gap is told", async (t, transport) => {
  const first = await Server.start(t, ["--retry", "100ms"], { port: await lastingPort() });
  const tab = await site.tab(t);
  await tab.show({ url: first.url, transport, ...QUICK });
  await tab.stands("open");
  await first.publish(...numbered(1, 3));
  await tab.count(3);

  await first.kill();
  await tab.isAway();
  const second = await Server.start(t, ["--retry", "100ms"], { port: first.port });
  await tab.stands("open");
  await second.publish(...numbered(4, 6), END);
  assert.deepEqual(await tab.untilEnd(), range(1, 6));
  const log = await tab.log();
  // History is in memory: the second server began another.
  assert.deepEqual(log.resets.map(({ reason }) => reason), ["epoch"]);
  assert.deepEqual([log.connects, log.disconnects], [2, 1]);
  assert.equal(await second.streams(), 1);
});

testBoth("an event may have the name of one of the browser's own", async (t, transport) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const tab = await site.tab(t);
  await tab.show({ url: server.url, transport, ...QUICK });
  await tab.stands("open");
  await server.publish({ event: "error", data: "mine" }, { event: "open", data: "mine" }, ...numbered(1, 3), END);
  assert.deepEqual((await tab.untilEnd()).filter((data) => data !== "mine"), range(1, 3));
  const log = await tab.log();
  assert.deepEqual([log.connects, log.errors], [1, []]);
});

test("attempts that lead nowhere end, until somebody asks again", async (t) => {
  const server = await Server.start(t, ["--retry", "20ms"]);
  const network = await Network.to(t, server.port);
  const tab = await site.tab(t);
  await tab.show({ url: network.url, reconnectInterval: 20, maxReconnectInterval: 50, maxReconnectAttempts: 3 });
  await tab.stands("open");
  network.cut();
  await tab.stands("failed");
  assert.ok((await tab.log()).errors.length > 0);
  await server.publish(...numbered(1, 3), END);
  network.mend();
  await tab.page.getByText("reconnect").click();
  assert.deepEqual(await tab.untilEnd(), range(1, 3));
  assert.deepEqual((await tab.log()).resets, []);
});

testBoth("a network that breaks costs nothing", async (t, transport) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const network = await Network.to(t, server.port);
  const tab = await site.tab(t);
  await tab.show({ url: network.url, transport, ...QUICK });
  await tab.stands("open");
  for (const round of range(0, 3)) {
    await server.publish(...numbered(20 * round + 1, 20 * round + 10));
    network.cut();
    await server.publish(...numbered(20 * round + 11, 20 * round + 20));
    network.mend();
    await tab.count(20 * round + 20);
  }
  await server.publish(END);
  assert.deepEqual(await tab.untilEnd(), range(1, 80));
  const log = await tab.log();
  assert.deepEqual(log.resets, []);
  assert.ok(log.connects > 1 && log.disconnects === log.connects - 1);
});

testBoth("a connection that went dead without a word is noticed", async (t, transport) => {
  const server = await Server.start(t, ["--retry", "100ms", "--heartbeat-interval", "200ms"]);
  const network = await Network.to(t, server.port);
  const tab = await site.tab(t);
  await tab.show({ url: network.url, transport, heartbeatTimeout: 1500, ...QUICK });
  await tab.stands("open");
  await server.publish(...numbered(1, 3));
  await tab.count(3);
  // One, unless the machine made a pause for so long that the first was taken for dead.
  const passed = network.passed;

  network.freeze();
  await server.publish(...numbered(4, 6));
  await tab.count(6);
  await server.publish(END);
  assert.deepEqual(await tab.untilEnd(), range(1, 6));
  assert.ok(network.passed > passed);
  assert.deepEqual((await tab.log()).resets, []);
});

test("five tabs have one connection, and none misses anything when its holder is closed", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const profile = await site.profile(t);
  const options = { url: server.url, shareTabs: true, ...QUICK };
  const tabs = [];
  for (const _ of range(1, 5)) {
    const tab = await site.tab(t, profile);
    tabs.push(tab);
    await tab.show(options);
    await tab.stands("open");
  }
  assert.equal(await server.streams(), 1);

  // Whoever holds the connection, it is among the first four.
  let published = 0;
  while (tabs.length > 1) {
    await server.publish(...numbered(published + 1, published + 50));
    const leaving = tabs.shift().page.close();
    await server.publish(...numbered(published + 51, published + 100));
    await leaving;
    await server.publish(...numbered(published + 101, published + 150));
    published += 150;
    for (const tab of tabs) assert.deepEqual(await tab.count(published), range(1, published));
    await server.has(1);
  }
  await server.publish(END);
  assert.deepEqual(await tabs[0].untilEnd(), range(1, published));
  const log = await tabs[0].log();
  assert.deepEqual(log.resets, []);
});

test("five tabs on one connection see a break of the network together", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const network = await Network.to(t, server.port);
  const profile = await site.profile(t);
  const tabs = await Promise.all(range(1, 5).map(() => site.tab(t, profile)));
  for (const tab of tabs) await tab.show({ url: network.url, shareTabs: true, ...QUICK });
  for (const tab of tabs) await tab.stands("open");
  await server.publish(...numbered(1, 100));
  network.cut();
  await server.publish(...numbered(101, 200));
  network.mend();
  for (const tab of tabs) assert.deepEqual(await tab.count(200), range(1, 200));
  await server.has(1);
  await server.publish(END);
  for (const tab of tabs) assert.deepEqual(await tab.untilEnd(), range(1, 200));
  for (const tab of tabs) assert.deepEqual((await tab.log()).resets, []);
});

test("a token that expires is renewed, without a gap", async (t) => {
  const issuer = await Issuer.create(t);
  const now = () => Math.floor(Date.now() / 1000);
  const publisher = issuer.sign({ sub: "publisher", exp: now() + 600, fanfare: { publish: true, admin: true } });
  const args = ["--jwt-secret-file", issuer.file, "--jwt-leeway", "0s", "--retry", "100ms"];
  const server = await Server.start(t, args, { token: publisher });

  const tab = await site.tab(t);
  const issued = [];
  await tab.page.exposeFunction("issueToken", () => {
    // The third has expired already: it is refused, and another is asked for.
    const lifetime = issued.length === 2 ? -60 : 2;
    issued.push(lifetime);
    return issuer.sign({ sub: "ada", exp: now() + lifetime });
  });
  await tab.show({ url: server.url, token: "issueToken", ...QUICK });
  await tab.stands("open");

  let published = 0;
  await eventually(
    async () => {
      published += 1;
      await server.publish({ event: "update", data: published, to: { user: "ada" } });
      assert.ok((await tab.log()).connects >= 4);
    },
  );
  await server.publish(END);
  assert.deepEqual(await tab.untilEnd(), range(1, published));
  const log = await tab.log();
  assert.deepEqual(log.resets, []);
  assert.ok(issued.length >= 5 && issued.filter((lifetime) => lifetime < 0).length === 1, String(issued));
});

testBoth("of ten thousand events none is lost, also across cuts", async (t, transport) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const network = await Network.to(t, server.port);
  const tab = await site.tab(t);
  await tab.show({ url: network.url, transport, ...QUICK }, 2);
  await tab.stands("open");
  for (const batch of range(0, 19)) {
    await server.publish(...numbered(500 * batch + 1, 500 * batch + 500));
    if (batch % 5 === 2) network.cut();
    if (batch % 5 === 3) network.mend();
  }
  await server.publish(END);
  for (const component of [0, 1]) {
    assert.deepEqual(await tab.untilEnd(component), range(1, 10_000));
    const log = await tab.log(component);
    assert.equal(log.updates, 10_000);
    assert.deepEqual(log.resets, []);
  }
  assert.equal(await tab.page.locator("[data-part=kept]").first().textContent(), "100");
});

test("a page that is loaded anew goes on where it stood", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const tab = await site.tab(t);
  const options = { url: server.url, persist: true, ...QUICK };
  await tab.show(options);
  await tab.stands("open");
  await server.publish(...numbered(1, 3));
  await tab.count(3);
  await tab.page.goto("about:blank");
  await server.has(0);
  await server.publish(...numbered(4, 6), END);
  await tab.page.goBack();
  await tab.show(options);
  assert.deepEqual(await tab.untilEnd(), range(4, 6));
  assert.deepEqual((await tab.log()).resets, []);
});

testBoth("a proxy that has no server is asked again", async (t, transport) => {
  const server = await Server.start(t, ["--retry", "50ms"]);
  const network = await Network.to(t, server.port);
  const tab = await site.tab(t);
  await tab.show({ url: network.url, transport, ...QUICK });
  await tab.stands("open");
  // What a native EventSource gives up on for good.
  network.fail();
  await server.publish(...numbered(1, 5));
  await eventually(() => assert.ok(network.failed >= 3));
  network.mend();
  await server.publish(END);
  assert.deepEqual(await tab.untilEnd(), range(1, 5));
  assert.deepEqual((await tab.log()).resets, []);
});

testBoth("whoever finds no room is let in when there is some", async (t, transport) => {
  const server = await Server.start(t, ["--max-connections", "1", "--retry", "50ms"]);
  const [inside, waiting] = [await site.tab(t), await site.tab(t)];
  await inside.show({ url: server.url, transport, ...QUICK });
  await inside.stands("open");
  await waiting.show({ url: server.url, transport, ...QUICK });
  // To be refused is not to be connected.
  await eventually(async () => assert.ok((await waiting.log()).errors.length >= 2));
  assert.equal((await waiting.log()).connects, 0);
  await inside.show({}, 0);
  await waiting.stands("open");
  await server.publish(END);
  assert.deepEqual(await waiting.untilEnd(), []);
  assert.deepEqual((await waiting.log()).resets, []);
});

testBoth("a server that leaves in good order is not given up", async (t, transport) => {
  const args = ["--retry", "50ms", "--drain-timeout", "500ms"];
  const first = await Server.start(t, args, { port: await lastingPort() });
  const tab = await site.tab(t);
  await tab.show({ url: first.url, transport, ...QUICK });
  await tab.stands("open");
  await first.publish(...numbered(1, 3));
  await first.stop();
  const second = await Server.start(t, args, { port: first.port });
  await second.has(1);
  await tab.stands("open");
  await second.publish(...numbered(4, 6), END);
  assert.deepEqual(await tab.untilEnd(), range(1, 6));
  assert.deepEqual((await tab.log()).resets.map(({ reason }) => reason), ["epoch"]);
});

test("a browser that is online again does not wait", async (t) => {
  const server = await Server.start(t, ["--retry", "10m"]);
  const network = await Network.to(t, server.port);
  const profile = await site.profile(t);
  const tab = await site.tab(t, profile);
  // The longest that the backoff may draw.
  await tab.page.evaluate(() => void (Math.random = () => 0.999));
  await tab.show({ url: network.url, reconnectInterval: 600_000, maxReconnectInterval: 600_000 });
  await tab.stands("open");
  await profile.setOffline(true);
  network.cut();
  await tab.stands("waiting");
  await server.publish(...numbered(1, 3), END);
  network.mend();
  await profile.setOffline(false);
  assert.deepEqual(await tab.untilEnd(), range(1, 3));
  assert.deepEqual((await tab.log()).resets, []);
});

/** The page looks back at a sleep: no timer has run, and the clock went on by an hour. */
function wake(tab, name) {
  return tab.page.evaluate((name) => {
    const slept = Date.now() + 3_600_000;
    Date.now = () => slept;
    dispatchEvent(new Event(name));
  }, name);
}

for (const name of ["visibilitychange", "online", "pageshow", "focus"]) {
  testBoth(`after a sleep a dead connection is made anew at once: ${name}`, async (t, transport) => {
    const server = await Server.start(t, ["--retry", "100ms"]);
    const network = await Network.to(t, server.port);
    const tab = await site.tab(t);
    // Without that, nobody would notice for an hour.
    await tab.show({ url: network.url, transport, heartbeatTimeout: 3_600_000, ...QUICK });
    await tab.stands("open");
    await server.publish(...numbered(1, 3));
    await tab.count(3);
    network.freeze();
    await server.publish(...numbered(4, 6), END);
    await wake(tab, name);
    assert.deepEqual(await tab.untilEnd(), range(1, 6));
    assert.equal(network.passed, 2);
    assert.deepEqual((await tab.log()).resets, []);
  });
}

test("after a sleep any of the tabs on one connection has it made anew", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const network = await Network.to(t, server.port);
  const profile = await site.profile(t);
  const tabs = await Promise.all(range(1, 3).map(() => site.tab(t, profile)));
  const options = { url: network.url, shareTabs: true, heartbeatTimeout: 3_600_000, ...QUICK };
  for (const tab of tabs) {
    await tab.show(options);
    await tab.stands("open");
  }
  await server.publish(...numbered(1, 3));
  for (const tab of tabs) await tab.count(3);
  network.freeze();
  await server.publish(...numbered(4, 6), END);
  // The clock is the machine's, and the first has the connection; of the sleep only the last is told.
  await tabs[0].page.evaluate(() => {
    const slept = Date.now() + 3_600_000;
    Date.now = () => slept;
  });
  await wake(tabs[2], "visibilitychange");
  for (const tab of tabs) assert.deepEqual(await tab.untilEnd(), range(1, 6));
  await server.has(1);
  assert.equal(network.passed, 2);
});

test("numbers that JavaScript has not are read from the text of an event, as the README says", async (t) => {
  const tab = await site.tab(t);
  const path = new URL("../README.md", import.meta.url);
  const [, example] = readFileSync(path, "utf8").match(/```js\n(const readOrder[^]*?)```/);
  const order = await tab.page.evaluate((example) => {
    const handlers = new Map();
    const client = { on: (type, handler) => handlers.set(type, handler) };
    const seen = [];
    new Function("client", "show", example)(client, (order) => seen.push(`${typeof order.id} ${order.id} ${order.price}`));
    const text = '{"id":9007199254740993,"price":1.5}';
    handlers.get("order")({ text, data: JSON.parse(text) });
    return seen;
  }, example);
  assert.deepEqual(order, ["bigint 9007199254740993 1.5"]);
});
