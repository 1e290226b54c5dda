// A minimal HTTP server of folders on a free local port. By default nothing is cached.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";

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

/** Content types that most servers compress with gzip. */
const COMPRESSED = /^text|javascript|json|svg/;

/**
 * Serves each path of `folders` from its folder: `{ "/": "www/dist", "/pkg/": "pkg/dist" }`. The longest matching path wins.
 * `url` ends with a slash. `stop` ends the server at once, including open connections.
 *
 * `cache` is the header `cache-control`. `compress` sends texts with gzip. `sent` is called with the path of each response and the number of bytes
 * sent. `hold` returns a promise for some paths: the second half of the bytes waits for it.
 */
export async function serve(folders, { cache = "no-store", compress = false, sent = () => {}, hold = () => undefined } = {}) {
  const mounts = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const { type, body: plain } = await answer(mounts, request).catch(() => ({}));
    if (plain === undefined) return response.writeHead(404, { "content-type": "text/plain" }).end("not found");
    const packed = compress && COMPRESSED.test(type);
    const body = packed ? gzipSync(plain) : plain;
    // Sandboxed frames have an opaque origin and need CORS to load modules.
    const headers = { "content-type": type, "content-length": body.length, "cache-control": cache, "access-control-allow-origin": "*" };
    response.writeHead(200, packed ? { ...headers, "content-encoding": "gzip" } : headers);
    const { pathname } = new URL(request.url, "http://localhost");
    sent(pathname, body.length);
    const release = hold(pathname);
    if (release !== undefined) {
      response.write(body.subarray(0, body.length / 2));
      await release;
    }
    response.end(release === undefined ? body : body.subarray(body.length / 2));
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
  const relative = path.slice(at.length);
  const file = join(folder, relative === "" || relative.endsWith("/") ? `${relative}index.html` : relative);
  return { type: TYPES[extname(file)] ?? "application/octet-stream", body: await readFile(file) };
}
