// The service worker. After the first visit the page opens without a network, and no file is downloaded twice. Files that are named by their content
// are cached when they are requested. The page sends a message when its own downloads are done; the worker then downloads the rest. The page itself
// is cached last, in a cache of its version, so that it opens from there only when all of its files are cached. An open page keeps its version: the
// old worker stays active until its last tab is closed.

const PAGE_CACHE = "runstate-www-__VERSION__";
const ASSETS_CACHE = "__ASSETS_CACHE__";

/** Files that are named by their content. */
const ASSETS = __ASSETS__;

/** Files that are downloaded when they are first used. */
const LAZY = __LATER__;

/** WebAssembly by the name that scripts request, with the packed file that is downloaded instead. */
const PACKED = __PACKED__;

/** Files whose content may change under the same name; the page itself is last. */
const UNHASHED = __FIXED__;

const SCOPE = new URL("./", self.location.href).pathname;

self.addEventListener("install", (event) => {
  // The first worker starts at once and caches the next downloads of the page. A newer worker downloads every file before it can be activated.
  if (self.registration.active !== null) event.waitUntil(downloadMissing());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldVersions().then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
  if (event.data === "complete") event.waitUntil(downloadMissing());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !url.pathname.startsWith(SCOPE)) return;
  event.respondWith(respond(event.request, url.pathname.slice(SCOPE.length)));
});

async function respond(request, name) {
  if (ASSETS.includes(name)) return fetchAsset(name);
  if (name in PACKED) return unpack(await fetchAsset(PACKED[name]));
  const cache = await caches.open(PAGE_CACHE);
  // Only the page reads `?store=…`; the file is the same.
  const isPage = request.mode === "navigate" && ["", "index.html"].includes(name);
  // Some servers send `Vary: Origin`, which does not matter here: all files belong to this origin.
  return (await cache.match(isPage ? "./" : request, { ignoreVary: true })) ?? fetch(request);
}

/** Downloads in progress, by name. Concurrent requests for a file share one download. */
const downloads = new Map();

async function fetchAsset(name) {
  if (!downloads.has(name)) downloads.set(name, load(name).finally(() => downloads.delete(name)));
  return (await downloads.get(name)).clone();
}

async function load(name) {
  const cache = await caches.open(ASSETS_CACHE);
  const cached = await cache.match(name, { ignoreVary: true });
  if (cached !== undefined) return cached;
  // A copy in the HTTP cache is never stale, because the name is a hash of the content.
  const response = await fetch(name, { cache: "force-cache" });
  if (response.ok) await cache.put(name, response.clone());
  return response;
}

function unpack(response) {
  if (!response.ok || response.body === null) return response;
  const body = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "content-type": "application/wasm" } });
}

/** Downloads the missing files one after the other, because the page shares the connection. */
async function downloadMissing() {
  for (const name of ASSETS) {
    if (LAZY.includes(name)) continue;
    const { ok, status } = await fetchAsset(name);
    if (!ok) throw new Error(`${name} cannot be cached: the server answered ${status}`);
  }
  const cache = await caches.open(PAGE_CACHE);
  for (const name of UNHASHED) {
    // `no-cache`: otherwise a stale copy of the HTTP cache would be stored for good.
    if ((await cache.match(name)) === undefined) await cache.add(new Request(name, { cache: "no-cache" }));
  }
}

async function removeOldVersions() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("runstate-www-") && ![PAGE_CACHE, ASSETS_CACHE].includes(name));
  await Promise.all(old.map((name) => caches.delete(name)));
  const cache = await caches.open(ASSETS_CACHE);
  const current = new Set(ASSETS.map((name) => new URL(name, self.location.href).href));
  const requests = await cache.keys();
  await Promise.all(requests.filter(({ url }) => !current.has(url)).map((request) => cache.delete(request)));
}
