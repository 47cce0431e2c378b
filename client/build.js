// Makes dist/: the core as one module, which the server embeds and serves, the hooks beside it, and the types of both.

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";
const common = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
};
const banner = "/*! fanfare-client | MIT OR Apache-2.0 */";

rmSync(out, { recursive: true, force: true });
await build({ ...common, entryPoints: ["src/index.ts"], outfile: `${out}/client.js`, banner: { js: banner } });
await build({
  ...common,
  entryPoints: ["src/react/index.ts"],
  outfile: `${out}/react.js`,
  banner: { js: banner },
  external: ["react"],
  plugins: [{ name: "core", setup: (it) => it.onResolve({ filter: /\/index\.js$/ }, () => ({ path: "./client.js", external: true })) }],
});
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json", "--outDir", `${out}/types`], {
  cwd: import.meta.dirname,
  stdio: "inherit",
});
