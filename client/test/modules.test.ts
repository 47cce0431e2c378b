// The layout of the sources: a module imports only what lies below it.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

type Imports = ReadonlyMap<string, readonly string[]>;

/** The modules below a folder, each with those that it imports or exports from, of types too. */
function importsBelow(folder: string): Imports {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
  const specifiers = (name: string) => readFileSync(join(folder, name), "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/g);
  const target = (name: string, specifier: string) => {
    const path = join(dirname(name), specifier).replace(/\.js$/, "");
    return names.find((other) => other.replace(/\.tsx?$/, "") === path) ?? path;
  };
  return new Map(names.map((name) => [name, [...specifiers(name)].map(([, specifier]) => target(name, specifier!))]));
}

/** The first cycle of imports, as a path from a module back to itself; empty where there is none. */
function cycle(imports: Imports): string[] {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): string[] => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return [];
    for (const next of imports.get(name) ?? []) {
      const found = visit(next, [...path, name]);
      if (found.length > 0) return found;
    }
    done.add(name);
    return [];
  };
  for (const name of imports.keys()) {
    const found = visit(name, []);
    if (found.length > 0) return found;
  }
  return [];
}

const IMPORTS = importsBelow(join(import.meta.dirname, "../src"));

test("no module imports itself by way of others", () => {
  expect(cycle(IMPORTS)).toEqual([]);
});

test("every import names a module, and the ones with types only are among them", () => {
  for (const [name, targets] of IMPORTS) for (const target of targets) expect([...IMPORTS.keys()], `imported by ${name}`).toContain(target);
  expect(IMPORTS.get("transport.ts")).toEqual(["parser.ts", "options.ts"]);
  expect(IMPORTS.get("tabs.ts")).toEqual(["events.ts", "options.ts", "position.ts"]);
});

test("a cycle is found, also a long one", () => {
  const imports = (pairs: Record<string, string[]>) => new Map(Object.entries(pairs));
  expect(cycle(imports({ a: ["b", "c"], b: ["c"], c: [] }))).toEqual([]);
  expect(cycle(imports({ a: ["b"], b: ["c"], c: ["b"] }))).toEqual(["b", "c", "b"]);
  expect(cycle(imports({ a: ["a"] }))).toEqual(["a", "a"]);
});
