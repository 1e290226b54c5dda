// A server of folders on a free port of this machine, as plain as one can be: what a page needs, and nothing is kept in caches.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** Frames without an origin of their own may load modules too. */
const HEADERS = { "cache-control": "no-store", "access-control-allow-origin": "*" };

/**
 * Serves each path of `folders` from its folder: `{ "/": "www/dist", "/pkg/": "pkg/dist" }`; the longest that fits is taken.
 * `url` ends with a slash. `stop` ends it at once, also where connections are open.
 */
export async function serve(folders) {
  const mounts = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const server = createServer((request, response) => {
    answer(mounts, request).then(
      ({ type, body }) => response.writeHead(200, { "content-type": type, ...HEADERS }).end(body),
      () => response.writeHead(404, { "content-type": "text/plain" }).end("not there"),
    );
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}/`, stop };
}

async function answer(mounts, request) {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  const [at, folder] = mounts.find(([at]) => path.startsWith(at)) ?? [];
  if (folder === undefined || normalize(path).includes("..")) throw new Error("not served");
  const rest = path.slice(at.length);
  const file = join(folder, rest === "" || rest.endsWith("/") ? `${rest}index.html` : rest);
  return { type: TYPES[extname(file)] ?? "application/octet-stream", body: await readFile(file) };
}
