// The package as `npm install` brings it, in a project of its own.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
let project: string;
const installed = () => join(project, "node_modules/fanfare-client");

function run(program: string, args: string[], cwd: string): string {
  try {
    return execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program}: ${stdout}${stderr}`);
  }
}

const PROGRAM = `
import { FanfareClient, type SSEEvent } from "fanfare-client";
import { useSSE, useSSEEvent, type UseSSEOptions } from "fanfare-client/react";

declare module "fanfare-client" {
  interface SSEEvents {
    price: { symbol: string; value: number };
  }
}

const client = new FanfareClient({ topics: ["prices.*"] });
client.on("price", ({ data, text }) => data.value.toFixed() + text);
// @ts-expect-error Not a member.
client.on("price", ({ data }) => data.volume);
export const options: UseSSEOptions = { onEvent: (event: SSEEvent) => event.id };
export function Prices(): string | undefined {
  useSSEEvent("price", ({ data }) => data.symbol, options);
  // @ts-expect-error No such event.
  useSSEEvent("prices", () => {}, options);
  return useSSE(options).lastEvent?.text;
}
`;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "fanfare-package-"));
  run("npm", ["pack", "--silent", "--pack-destination", project], root);
  const archive = readdirSync(project).find((name) => name.endsWith(".tgz"))!;
  mkdirSync(installed(), { recursive: true });
  run("tar", ["-xzf", join(project, archive), "--strip-components=1", "-C", installed()], project);
  for (const name of ["react", "@types", "csstype"]) symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(project, "program.ts"), PROGRAM);
});

afterAll(() => rmSync(project, { recursive: true }));

test.each([
  ["node10", "ESNext"],
  ["node16", "Node16"],
  ["nodenext", "NodeNext"],
  ["bundler", "ESNext"],
])("TypeScript finds both entries by `moduleResolution` %s", (moduleResolution, module) => {
  const compilerOptions = { moduleResolution, module, target: "ES2022", lib: ["ES2022", "DOM"], strict: true, noEmit: true, types: [] };
  const config = join(project, `${moduleResolution}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ["program.ts"] }));
  expect(run(join(root, "node_modules/.bin/tsc"), ["-p", config], project)).toBe("");
});

test("Node.js finds both entries", () => {
  const script = `
    const [core, react] = await Promise.all([import("fanfare-client"), import("fanfare-client/react")]);
    console.log(Object.keys(core).join(), Object.keys(react).join());`;
  expect(run(process.execPath, ["--input-type=module", "--eval", script], project)).toBe("FanfareClient,SSEError useSSE,useSSEEvent\n");
});

const LICENCES = ["LICENSE-APACHE", "LICENSE-MIT"];

test("it has what it names, its licences, and nothing of the workshop", () => {
  const text = readFileSync(join(installed(), "package.json"), "utf8");
  const { main, types, repository, engines, license } = JSON.parse(text) as Record<string, unknown>;
  const names = readdirSync(installed(), { recursive: true, encoding: "utf8" });
  for (const path of [main, types] as string[]) expect(names).toContain(path.slice(2));
  expect([repository, engines, license]).toMatchObject([{ type: "git", directory: "client" }, { node: ">=18" }, "MIT OR Apache-2.0"]);
  expect(names.filter((name) => !name.startsWith("dist")).sort()).toEqual([...LICENCES, "README.md", "package.json"]);
  for (const name of LICENCES)
    expect(readFileSync(join(installed(), name), "utf8")).toBe(readFileSync(join(root, "..", name), "utf8"));
});
