// The examples, as their README says to run them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test as run } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "./support/server.js";
import { Site } from "./support/site.js";

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

async function serve(test, server) {
  const script = fileURLToPath(new URL("../examples/serve.js", import.meta.url));
  const env = { ...process.env, PORT: "0", FANFARE_URL: new URL(server.url).origin };
  const child = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "inherit"] });
  test.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  for await (const line of createInterface(child.stdout)) {
    const address = line.match(/^Open (\S+)$/);
    if (address) return address[1];
  }
  throw new Error("the examples are not served");
}

for (const name of ["plain", "react"]) {
  run(`the example ${name}.html shows what it publishes`, { timeout: 600_000 }, async (t) => {
    const server = await Server.start(t, ["--retry", "100ms"]);
    const address = await serve(t, server);
    const profile = await site.profile(t);
    const page = await profile.newPage();
    page.setDefaultTimeout(300_000);
    const troubles = [];
    page.on("pageerror", (error) => troubles.push(String(error)));
    await page.goto(address);
    await page.locator(`a[href="${name}.html"]`).click();
    await page.locator("output[data-status=open]").waitFor();
    await page.getByLabel("Message").fill("hello");
    await page.getByText("Publish", { exact: true }).click();
    await page.getByRole("listitem").filter({ hasText: "Somebody: hello" }).waitFor();
    await server.publish({ event: "progress", data: { operationId: "1", percentage: 40, message: "", completed: false } });
    await page.waitForFunction(() => document.querySelector("progress").value === 40);
    assert.equal(await server.streams(), 1);
    assert.deepEqual(troubles, []);
  });
}
