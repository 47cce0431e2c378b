import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Imports a module written in TypeScript, of that path below this package. */
export async function load(path) {
  const entry = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
