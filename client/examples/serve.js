// Serves the examples, and hands what is asked of /api/sse to a server on this machine, as a reverse proxy would:
//
//     cargo run --release             the server, in one shell
//     node client/examples/serve.js   the pages, in another (after `npm ci` in client)
//
// Without a proxy, pages of another origin are let in by the server: `fanfare serve --cors-origin http://127.0.0.1:8080`,
// with `url: "http://127.0.0.1:3000/api/sse"` among the options of the client.

import { createReadStream } from "node:fs";
import { createServer, request as ask } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const { PORT = "8080", FANFARE_URL = "http://127.0.0.1:3000/api/sse" } = process.env;

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const react = await build({
  entryPoints: [path("react.tsx")],
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"development"' },
  write: false,
});

const PAGES = {
  "/": ["text/html", () => createReadStream(path("index.html"))],
  "/plain.html": ["text/html", () => createReadStream(path("plain.html"))],
  "/react.html": ["text/html", () => createReadStream(path("react.html"))],
  "/style.css": ["text/css", () => createReadStream(path("style.css"))],
  "/react.js": ["text/javascript", () => react.outputFiles[0].text],
};

const server = createServer((request, response) => {
  if (request.url.startsWith("/api/sse")) return pass(request, response);
  const [type, content] = PAGES[new URL(request.url, "http://localhost").pathname] ?? [];
  if (type === undefined) return response.writeHead(404).end("not found");
  response.writeHead(200, { "Content-Type": `${type}; charset=utf-8` });
  const body = content();
  return typeof body === "string" ? response.end(body) : body.pipe(response);
});

function pass(request, response) {
  const { method, headers } = request;
  const passed = ask(new URL(request.url, FANFARE_URL), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    // A stream that breaks there breaks here, and a client that leaves here leaves there.
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  passed.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end("no server there")));
  response.on("close", () => passed.destroy());
  request.pipe(passed);
}

server.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`Open http://127.0.0.1:${server.address().port}/`);
});
