// The panel, driven in a browser against a real server. Nothing waits for a time, but for what is to be seen.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test as run } from "node:test";
import { lastingPort } from "../support/port.mjs";
import { Panel, launch } from "./browser.js";
import { Server } from "./server.js";

/** A test that ends by itself, should the server or the browser hang. */
const test = (name, body) => run(name, { timeout: 600_000 }, body);

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

test("it connects by itself, and all that it loads is of the server", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.says(panel.status, "Connected · 1 stream open");
  await panel.stands("Stream 1", "Open");
  await panel.says(panel.rows({ event: "connection" }), '"status":"connected"');
  await panel.says(panel.card("Stream 1"), "started live");
  assert.equal(await panel.page.locator(".title code").textContent(), "/api/sse");
  const loaded = panel.requests.filter((request) => request.includes("/sse-test"));
  assert.ok(loaded.length >= 10, loaded.join("\n"));
  await panel.close();
});

test("each built-in event has a button, and arrives", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  await panel.page.getByLabel("Message").fill("good morning");
  for (const event of ["notification", "announcement", "update", "progress"]) {
    await panel.button(event).click();
    await panel.says(panel.rows({ event }), '"message":"good morning"');
  }
  await panel.says(panel.rows({ event: "progress" }), '"percentage":20');
  await panel.button("ping").click();
  await panel.says(panel.result, /^Sent a heartbeat/);
  await panel.page.getByRole("search").getByLabel("Heartbeats").check();
  await panel.says(panel.rows({ event: "ping" }), '"timestamp":');
  await panel.button("connection").click();
  await panel.says(panel.rows({ event: "connection" }), '"recovered":true');
  await panel.says(panel.result, "opened again");
  // Pressed again, an operation gets on.
  await panel.button("progress").click();
  await panel.says(panel.rows({ event: "progress" }), '"percentage":40');
  await panel.page.getByLabel("Level of an announcement").selectOption("error");
  await panel.page.getByLabel("To user").fill("nobody");
  await panel.button("announcement").click();
  await panel.says(panel.result, /^Published /);
  await panel.settle("Stream 1");
  assert.equal(await panel.rows({ event: "announcement" }).count(), 1);
  await panel.close();
});

test("statistics move, are charted and told, and can be paused", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server, { ownClock: true });
  await panel.stands("Stream 1", "Open");
  const figure = (name) => panel.page.locator(`[data-figure=${name}]`);
  await panel.says(panel.page.locator("[data-chart=streams] p"), /^1$/);
  await server.publish(...Array.from({ length: 30 }, (_, n) => ({ event: "tick", data: n })));
  await panel.says(figure("eventsPublished"), /^30$/);
  await panel.says(figure("disk"), /^in memory$/);
  await panel.says(figure("deliveries"), /^30$/);
  await panel.openStream({ userId: "ada", sessionId: "s-1" });
  await panel.says(figure("userConnections"), /^1$/);
  await panel.says(figure("sessionConnections"), /^1$/);
  const chart = panel.page.locator("[data-chart=published] svg");
  await panel.page.waitForFunction(() => /to (?!0)/.test(document.querySelector("[data-chart=published] svg").getAttribute("aria-label")));
  assert.match(await chart.getAttribute("aria-label"), /^Events published per second: now .* from 0 to /);
  assert.match(await chart.locator(".line").getAttribute("d"), /^M[0-9.]+ [0-9.]+L/);
  const polls = () => panel.requests.filter((request) => request.endsWith("/stats")).length;
  await panel.button("Pause").click();
  assert.equal(await panel.button("Pause").getAttribute("aria-pressed"), "true");
  const paused = polls();
  await panel.page.clock.runFor(60_000);
  await server.publish({ data: 1 });
  await panel.settle("Stream 1", "Stream 2");
  assert.equal(polls(), paused);
  await panel.button("Pause").click();
  await panel.says(figure("eventsPublished"), /^32$/);
  const resumed = polls();
  await panel.page.clock.runFor(1000);
  await server.publish({ data: 2 });
  await panel.says(figure("eventsPublished"), /^33$/);
  assert.ok(polls() > resumed);
  await panel.close();
});

test("the form reaches each target, and nobody else", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.openStream({ userId: "ada", sessionId: "s-1", topics: "prices.*, orders.>", meta: "roomId=1, plan=pro" });
  await panel.openStream({ userId: "ada", sessionId: "s-2", meta: "roomId=1" });
  await panel.openStream({ userId: "grace", meta: "roomId=2" });
  const streams = ["Stream 1", "Stream 2", "Stream 3", "Stream 4"];
  for (const stream of streams) await panel.stands(stream, "Open");
  await panel.says(panel.status, "4 streams open");
  await panel.says(panel.card("Stream 2"), "user ada, session s-1");
  const client = await panel.card("Stream 4").locator("[data-part=client]").textContent();
  const some = { audience: "some" };
  const cases = [
    ["everyone", {}, streams],
    ["user", { ...some, "to-user": "ada" }, ["Stream 2", "Stream 3"]],
    ["users", { ...some, "to-user": "ada, grace" }, ["Stream 2", "Stream 3", "Stream 4"]],
    ["session", { ...some, "to-session": "s-2" }, ["Stream 3"]],
    ["topic", { ...some, "to-topic": "orders.eu.new" }, ["Stream 2"]],
    ["client", { ...some, "to-client": client }, ["Stream 4"]],
    ["where", { ...some, where: "roomId=1" }, ["Stream 2", "Stream 3"]],
    ["where-two", { ...some, where: "roomId=1, plan=pro" }, ["Stream 2"]],
    ["narrowed", { ...some, "to-user": "ada,grace", where: "roomId=2" }, ["Stream 4"]],
    ["united", { ...some, "to-session": "s-1", "to-user": "grace" }, ["Stream 2", "Stream 4"]],
    ["except-user", { "except-user": "ada" }, ["Stream 1", "Stream 4"]],
    ["except-session", { "except-session": "s-1" }, ["Stream 1", "Stream 3", "Stream 4"]],
    ["except-topic", { "except-topic": "prices.eu" }, ["Stream 1", "Stream 3", "Stream 4"]],
    ["except-client", { "except-client": client }, ["Stream 1", "Stream 2", "Stream 3"]],
  ];
  for (const [event, fields, expected] of cases) {
    await panel.publish({ event, ...fields });
    await panel.says(panel.result, /^Published /);
    await panel.settle(...streams);
    assert.deepEqual((await panel.parts(panel.rows({ event }), "stream")).sort(), expected, event);
  }
  await panel.close();
});

test("bodies pass unchanged, text by lines, and what is wrong is said", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  await panel.publish({ event: "exact", body: '{"b": 12345678901234567890.50, "a": [1e2]}' });
  await panel.says(panel.rows({ event: "exact" }), "12345678901234567890.50");
  await panel.says(panel.rows({ event: "exact" }), "1e2");
  await panel.publish({ as: "text", body: "one\ntwo <b>three</b>" });
  await panel.rows({ event: "message" }).waitFor();
  assert.deepEqual(await panel.parts(panel.rows({ event: "message" }), "data"), ["one\ntwo <b>three</b>"]);
  await panel.publish({ body: "{" });
  await panel.says(panel.result, "The data is not JSON");
  await panel.publish({ audience: "some" });
  await panel.says(panel.result, "Say who gets it");
  await panel.publish({ audience: "some", where: "room" });
  await panel.says(panel.result, "key=value");
  await panel.publish({ audience: "some", "to-topic": "prices.*" });
  await panel.says(panel.result, "422 Unprocessable Content");
  assert.equal(await panel.result.getAttribute("data-kind"), "error");
  await panel.close(/status of 422/);
});

test("a retry time is heeded, and what history never holds is not replayed", async (t) => {
  const server = await Server.start(t, ["--retry", "1h"]);
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  const card = panel.card("Stream 1");
  await panel.publish({ event: "sooner", retry: "10" });
  await panel.rows({ event: "sooner" }).waitFor();
  await panel.button("Lose connection Stream 1").click();
  await panel.publish({ event: "never", ttl: "0" });
  await panel.says(panel.result, /^Published /);
  await panel.publish({ event: "kept", ttl: "100" });
  await panel.says(panel.result, /^Published .*-3$/);
  await panel.button("Come back Stream 1").click();
  await panel.says(panel.rows({ event: "kept" }), "replayed");
  assert.equal(await panel.rows({ event: "never" }).count(), 0);
  // The server has said 1 h with its greeting. The time that was published stands for the next end.
  await panel.publish({ event: "sooner", retry: "10" });
  await panel.rows({ event: "sooner" }).nth(1).waitFor();
  await panel.button("End by server Stream 1").click();
  await panel.rows({ event: "connection" }).nth(2).waitFor();
  await panel.says(card, "resumed without a gap");
  await panel.close();
});

test("a lost connection comes back to what it missed, once and in order", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.openStream({ userId: "ada" });
  await panel.stands("Stream 2", "Open");
  await server.publish({ event: "n", data: 1 });
  await panel.settle("Stream 1", "Stream 2");
  await panel.button("Lose connection Stream 2").click();
  await panel.stands("Stream 2", "Connection lost");
  await server.publish({ event: "n", data: 2 }, { event: "n", data: 3, to: { user: "ada" } });
  await server.publish({ event: "n", data: 0, to: { user: "grace" } }, { event: "n", data: 4 });
  await panel.settle("Stream 1");
  assert.deepEqual(await panel.parts(panel.rows({ stream: "Stream 2", event: "n" }), "data"), ["1"]);
  await panel.button("Come back Stream 2").click();
  await panel.stands("Stream 2", "Open");
  await panel.says(panel.card("Stream 2"), "resumed without a gap");
  await server.publish({ event: "n", data: 5 });
  await panel.settle("Stream 1", "Stream 2");
  const rows = panel.rows({ stream: "Stream 2", event: "n" });
  assert.deepEqual(await panel.parts(rows, "data"), ["1", "2", "3", "4", "5"]);
  const replayed = rows.filter({ has: panel.page.locator("[data-part=replayed]:visible") });
  assert.deepEqual(await panel.parts(replayed, "data"), ["2", "3", "4"]);
  assert.deepEqual(await panel.parts(panel.rows({ stream: "Stream 1", event: "n" }), "data"), ["1", "2", "4", "5"]);
  await panel.close();
});

test("a stream is disconnected, connected again, ended by the server, and removed", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"]);
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  const client = () => panel.card("Stream 1").locator("[data-part=client]").textContent();
  const first = await client();
  await panel.button("Disconnect Stream 1").click();
  await panel.stands("Stream 1", "Disconnected");
  await panel.says(panel.page.locator("[data-chart=streams] p"), /^0$/);
  await server.publish({ event: "missed", data: 1 });
  await panel.button("Reconnect Stream 1").click();
  await panel.says(panel.rows({ event: "missed" }), "replayed");
  const second = await client();
  assert.notEqual(second, first);
  await panel.button("End by server Stream 1").click();
  await panel.page.waitForFunction(
    (old) => ![old, "–"].includes(document.querySelector("[data-part=client]").textContent),
    second,
  );
  await panel.stands("Stream 1", "Open");
  assert.ok(panel.requests.includes(`DELETE ${server.base}/clients/${second}`));
  for (let n = 0; n < 4; n += 1) await panel.openStream({ userId: "ada" });
  await panel.openStream({ userId: "ada" });
  await panel.says(panel.page.locator("#streams [role=alert]"), "5 streams are open");
  await panel.button("Remove Stream 2").click();
  await panel.card("Stream 2").waitFor({ state: "detached" });
  await panel.says(panel.status, "4 streams open");
  await panel.close();
});

test("a server that is gone is told, and a new history too", async (t) => {
  const server = await Server.start(t, ["--retry", "100ms"], await lastingPort());
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  await server.publish({ event: "n", data: 1 });
  await panel.settle("Stream 1");
  await server.kill();
  await panel.says(panel.status, "No answer");
  await panel.says(panel.card("Stream 1"), "the connection was lost; comes back in 0.1 s");
  const next = await Server.start(t, ["--retry", "100ms"], server.port);
  await panel.stands("Stream 1", "Open");
  await panel.says(panel.card("Stream 1"), "a gap: the server has begun a new history");
  await panel.says(panel.status, "Connected · 1 stream open");
  assert.equal(next.port, server.port);
  await panel.close(/net::ERR_/);
});

test("a history on disk is shown, and goes on over a restart", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fanfare-panel-history-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ["--retry", "100ms", "--history-dir", folder];
  const server = await Server.start(t, args, await lastingPort());
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  await panel.says(panel.page.locator("[data-figure=disk]"), /on disk, .* free$/);
  await server.publish({ event: "n", data: 1 });
  await panel.settle("Stream 1");
  await server.kill();
  await panel.says(panel.status, "No answer");
  await Server.start(t, args, server.port);
  await panel.stands("Stream 1", "Open");
  await panel.says(panel.card("Stream 1"), "resumed without a gap");
  await server.publish({ event: "n", data: 2 });
  await panel.settle("Stream 1");
  assert.deepEqual(await panel.parts(panel.rows({ event: "n" }), "data"), ["1", "2"]);
  await panel.close(/net::ERR_/);
});

test("the history is filtered and cleared, and a flood does not flood the page", async (t) => {
  const server = await Server.start(t, ["--heartbeat-interval", "200ms"]);
  const panel = await Panel.open(browser, server);
  await panel.openStream({ userId: "ada" });
  await panel.stands("Stream 2", "Open");
  await server.publish({ event: "a", data: "Alpha" }, { event: "b", data: "beta" }, { event: "a", data: "gamma", to: { user: "ada" } });
  await panel.settle("Stream 1", "Stream 2");
  const filter = panel.page.getByRole("search");
  const data = async () => (await panel.parts(panel.rows(), "data")).filter((text) => text.startsWith('"'));
  await filter.getByLabel("Contains").fill("ALPHA");
  assert.deepEqual(await data(), ['"Alpha"', '"Alpha"']);
  await filter.getByLabel("Stream").selectOption("Stream 2");
  assert.deepEqual(await data(), ['"Alpha"']);
  await filter.getByLabel("Contains").fill("");
  await filter.locator("[name=event]").selectOption("a");
  assert.deepEqual(await data(), ['"Alpha"', '"gamma"']);
  await filter.getByLabel("Contains").fill("nowhere");
  await panel.page.getByText("No event to show.").waitFor();
  await filter.getByLabel("Contains").fill("");
  await filter.locator("[name=event]").selectOption("");
  // Hidden unless asked for.
  assert.equal(await panel.rows({ event: "ping" }).count(), 0);
  await filter.getByLabel("Heartbeats").check();
  await panel.rows({ event: "ping" }).first().waitFor();
  assert.deepEqual([...new Set(await panel.parts(panel.rows({ event: "ping" }), "id"))], [""]);
  await filter.getByLabel("Heartbeats").uncheck();
  await panel.button("ping").click();
  await panel.says(panel.result, /^Sent a heartbeat/);
  assert.equal(await panel.rows({ event: "ping" }).count(), 0);
  await filter.getByLabel("Stream").selectOption("");
  await server.publish(...Array.from({ length: 3000 }, (_, n) => ({ event: "flood", data: n })));
  await panel.says(panel.page.locator("[data-count]"), /^200 shown of 6\d\d\d received$/);
  assert.equal(await panel.rows().count(), 200);
  await panel.button("Clear").click();
  assert.equal(await panel.rows({ event: "flood" }).count(), 0);
  await panel.close();
});

test("it is worked by the keyboard alone, and every control has a name", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  const { page } = panel;
  await panel.stands("Stream 1", "Open");
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.name);
  const tabTo = async (name) => {
    for (let n = 0; n < 80; n += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()) === name) return;
    }
    assert.fail(`${name} is not reached by Tab`);
  };
  await tabTo("Skip to the events");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "events");
  await page.keyboard.press("Shift+Tab");
  await page.evaluate(() => document.activeElement.blur());
  await page.locator("#token").focus();
  await tabTo("Disconnect Stream 1");
  await page.keyboard.press("Space");
  await panel.stands("Stream 1", "Disconnected");
  assert.equal(await focused(), "Reconnect Stream 1");
  await page.keyboard.press("Enter");
  await panel.stands("Stream 1", "Open");
  await tabTo("Lose connection Stream 1");
  await page.keyboard.press("Enter");
  await panel.stands("Stream 1", "Connection lost");
  await panel.says(page.locator("#announcer"), "Stream 1: Connection lost");
  assert.equal(await focused(), "Come back Stream 1");
  await page.keyboard.press("Enter");
  await panel.stands("Stream 1", "Open");
  await tabTo("End by server Stream 1");
  await tabTo("Open another stream");
  await page.keyboard.press("Enter");
  await tabTo("userId");
  await page.keyboard.type("ada");
  await page.keyboard.press("Enter");
  await panel.stands("Stream 2", "Open");
  await tabTo("update");
  await page.keyboard.press("Space");
  await panel.rows({ stream: "Stream 2", event: "update" }).waitFor();
  await tabTo("event");
  await page.keyboard.type("typed");
  await tabTo("as");
  await page.keyboard.press("ArrowRight");
  await tabTo("audience");
  await page.keyboard.press("ArrowRight");
  await tabTo("to-user");
  await page.keyboard.type("ada");
  await page.keyboard.press("Enter");
  await panel.rows({ stream: "Stream 2", event: "typed" }).waitFor();
  const nameless = await page.evaluate(() => {
    const controls = [...document.querySelectorAll("input, select, textarea, button, summary, [role=group]")];
    const name = (control) =>
      control.getAttribute("aria-label") ?? [...(control.labels ?? [])].map((label) => label.textContent).join("") ?? "";
    return controls.filter((control) => (name(control) || control.textContent).trim() === "").map((control) => control.outerHTML);
  });
  assert.deepEqual(nameless, []);
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, "solid", "where the focus is can be seen");
  await panel.close();
});

test("with keys, a token is asked for, is typed in, and never stands in a URL", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fanfare-panel-"));
  try {
    const keys = join(folder, "keys");
    writeFileSync(keys, "k_test_0123456789abcdef0123456789 subscribe publish admin\n");
    const server = await Server.start(t, ["--api-key-file", keys, "--dev-endpoints", "on"]);
    const panel = await Panel.open(browser, server);
    await panel.says(panel.status, "Token needed");
    await panel.stands("Stream 1", "Disconnected");
    await panel.says(panel.card("Stream 1"), "401 Unauthorized");
    await panel.button("notification").click();
    await panel.says(panel.result, "401 Unauthorized");
    await panel.page.getByLabel("Token").fill("k_test_0123456789abcdef0123456789");
    await panel.page.keyboard.press("Enter");
    await panel.says(panel.status, "Connected · 1 stream open");
    await panel.button("notification").click();
    await panel.says(panel.result, /^Published /);
    await panel.rows({ event: "notification" }).waitFor();
    assert.deepEqual(panel.requests.filter((request) => request.includes("k_test")), []);
    const kept = await panel.page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
    assert.ok(!kept.includes("k_test"), kept);
    await panel.close(/status of 401/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("another base path is learnt from the page", async (t) => {
  const server = await Server.start(t, ["--base-path", "/v1/events.stream"]);
  const panel = await Panel.open(browser, server);
  await panel.says(panel.status, "Connected");
  assert.equal(await panel.page.locator(".title code").textContent(), "/v1/events.stream");
  await panel.button("update").click();
  await panel.rows({ event: "update" }).waitFor();
  assert.deepEqual(panel.requests.filter((request) => request.includes("/api/sse")), []);
  await panel.close();
});

test("the policy holds: nothing inline runs, no HTML is made from strings", async (t) => {
  const server = await Server.start(t);
  const panel = await Panel.open(browser, server);
  await panel.stands("Stream 1", "Open");
  const hostile = '<img src=x onerror="window.owned = true"><script>window.owned = true</script>';
  await server.publish({ event: "<b>x</b>", text: hostile });
  await panel.says(panel.rows({ event: "<b>x</b>" }), hostile);
  assert.deepEqual(panel.troubles, []);
  const outcome = await panel.page.evaluate(async () => {
    const script = document.createElement("script");
    let refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
    try {
      script.textContent = "window.owned = true";
    } catch (error) {
      refused.push(error.name);
    }
    try {
      document.body.insertAdjacentHTML("beforeend", "<b>made</b>");
    } catch (error) {
      refused.push(error.name);
    }
    await fetch("http://127.0.0.1:1/").catch((error) => refused.push(error.name));
    return { refused, owned: window.owned };
  });
  assert.equal(outcome.owned, undefined);
  assert.equal(outcome.refused.filter((name) => name === "TypeError").length, 3);
  // What would be noticed in every other test. Violations are told in tasks of their own.
  await panel.hasTrouble("policy: connect-src");
  await panel.hasTrouble("policy: require-trusted-types-for");
  await panel.close(/^policy|Content Security Policy|TrustedHTML|TrustedScript/);
});

/** The contrast of an element's text with what is behind it (WCAG 2.2, 1.4.3). */
function contrasts(selectors) {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parse = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) =>
    rgb
      .slice(0, 3)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  return selectors.map((selector) => {
    const element = document.querySelector(selector);
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}

test("light, dark and narrow: it can be read, and nothing sticks out", async (t) => {
  const server = await Server.start(t);
  const pages = new Set();
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 390, 768, 1360]) {
      const panel = await Panel.open(browser, server, { colorScheme, viewport: { width, height: 800 } });
      const { page } = panel;
      await panel.stands("Stream 1", "Open");
      for (const event of ["notification", "announcement", "update", "progress"]) {
        await panel.button(event).click();
        await panel.rows({ event }).first().waitFor();
      }
      await panel.says(panel.status, "Connected");
      await page.locator("details").evaluateAll((folds) => folds.forEach((fold) => (fold.open = true)));
      await page.locator("[name=audience][value=some]").check();
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(inner <= outer, `${colorScheme} ${width}: ${inner} > ${outer}`);
      const kinds = ["notification", "announcement", "update", "progress", "connection"];
      const seen = await page.evaluate(contrasts, [
        "h1",
        "h1 span",
        "#status",
        ".hint",
        ".tile h3",
        "dt",
        "dd",
        "label",
        "summary",
        "button.primary",
        "#publish .actions button",
        ".card .badge",
        ".card .note",
        ".result",
        ".row time",
        ".row pre",
        ...kinds.map((kind) => `.row[data-event=${kind}] .badge`),
      ]);
      assert.deepEqual(seen.filter(([, contrast]) => contrast < 4.5), [], `${colorScheme} ${width}`);
      pages.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await panel.close();
    }
  }
  assert.equal(pages.size, 2, "the two schemes differ");
});
