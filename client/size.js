// Tells how large the core is as browsers get it, and fails above the limit.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Bytes, minified and gzipped. */
const LIMIT = 4736;

const module = readFileSync(new URL("dist/client.js", import.meta.url));
const size = gzipSync(module, { level: 9 }).length;
console.log(`dist/client.js: ${module.length} bytes, ${size} gzipped; the limit is ${LIMIT}`);
process.exitCode = size <= LIMIT ? 0 : 1;
