// The service worker: after the first visit the page opens without a network, and no file is downloaded twice. Files that are named by
// their content are kept as they pass by. The page sends a message when its own downloads are done, and the rest follows. The page
// itself is kept last, in a cache of its version: it is opened from there only when all of its files are there too. An open page keeps
// the version it was opened with, since the old worker stays until its last tab is gone.

const PAGE_CACHE = "runstate-www-__VERSION__";
const ASSETS_CACHE = "__ASSETS_CACHE__";

/** Files that are named by their content. */
const ASSETS = __ASSETS__;

/** Those that are downloaded when they are first used. */
const LATER = __LATER__;

/** WebAssembly by the name that scripts ask for, and the packed file that is downloaded instead. */
const PACKED = __PACKED__;

/** Files whose content changes under their name; the page itself last. */
const FIXED = __FIXED__;

const SCOPE = new URL("./", self.location.href).pathname;

self.addEventListener("install", (event) => {
  // The first worker begins at once and keeps the next downloads of the page. A newer one has every file before it may take over.
  if (self.registration.active !== null) event.waitUntil(complete());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldVersions().then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
  if (event.data === "complete") event.waitUntil(complete());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !url.pathname.startsWith(SCOPE)) return;
  event.respondWith(respond(event.request, url.pathname.slice(SCOPE.length)));
});

async function respond(request, name) {
  if (ASSETS.includes(name)) return asset(name);
  if (name in PACKED) return unpacked(await asset(PACKED[name]));
  const cache = await caches.open(PAGE_CACHE);
  // `?store=…` is the page's own business: the page itself is the same.
  const isPage = request.mode === "navigate" && ["", "index.html"].includes(name);
  // `Vary: Origin`, which some servers send, is of no meaning here: all of it is this origin's own.
  return (await cache.match(isPage ? "./" : request, { ignoreVary: true })) ?? fetch(request);
}

/** Downloads under way, by name: two that want the same file share one. */
const downloads = new Map();

async function asset(name) {
  if (!downloads.has(name)) downloads.set(name, load(name).finally(() => downloads.delete(name)));
  return (await downloads.get(name)).clone();
}

async function load(name) {
  const cache = await caches.open(ASSETS_CACHE);
  const kept = await cache.match(name, { ignoreVary: true });
  if (kept !== undefined) return kept;
  // A copy in the browser's own cache is never stale: the name is made from the content.
  const response = await fetch(name, { cache: "force-cache" });
  if (response.ok) await cache.put(name, response.clone());
  return response;
}

function unpacked(response) {
  if (!response.ok || response.body === null) return response;
  const body = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "content-type": "application/wasm" } });
}

/** Downloads the missing files, one after the other: the page shares the line. */
async function complete() {
  for (const name of ASSETS) {
    if (LATER.includes(name)) continue;
    const { ok, status } = await asset(name);
    if (!ok) throw new Error(`${name} cannot be kept: the server answered ${status}`);
  }
  const cache = await caches.open(PAGE_CACHE);
  for (const name of FIXED) {
    // `no-cache`: a stale copy in the browser's own cache would be kept for good.
    if ((await cache.match(name)) === undefined) await cache.add(new Request(name, { cache: "no-cache" }));
  }
}

async function removeOldVersions() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("runstate-www-") && ![PAGE_CACHE, ASSETS_CACHE].includes(name));
  await Promise.all(old.map((name) => caches.delete(name)));
  const cache = await caches.open(ASSETS_CACHE);
  const kept = new Set(ASSETS.map((name) => new URL(name, self.location.href).href));
  const requests = await cache.keys();
  await Promise.all(requests.filter(({ url }) => !kept.has(url)).map((request) => cache.delete(request)));
}
