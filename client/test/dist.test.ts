import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

function files(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(directory.length), readFileSync(path, "utf8")]));
}

test("dist is what `npm run build` makes", { timeout: 300_000 }, () => {
  const made = mkdtempSync(join(tmpdir(), "fanfare-client-"));
  try {
    execFileSync(process.execPath, ["build.js", made], { cwd: root, stdio: "inherit" });
    expect(files(made)).toEqual(files(join(root, "dist")));
  } finally {
    rmSync(made, { recursive: true });
  }
});

test("the module that a server embeds needs no other", () => {
  const module = readFileSync(join(root, "dist/client.js"), "utf8");
  expect(module).not.toMatch(/\bimport\b/);
  expect(module).toMatch(/export\{.*as FanfareClient/);
});
