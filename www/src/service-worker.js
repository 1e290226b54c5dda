// The service worker: after the first visit the page opens without a network. The page registers it when its own
// downloads are done. The build adds CACHE, a name for each version of the page, and FILES. An open page keeps its
// version: the old worker stays active until its last tab is closed, or until the visitor asks for the newer version.

self.addEventListener("install", (event) => event.waitUntil(cacheFiles()));
self.addEventListener("activate", (event) => event.waitUntil(removeOldVersions().then(() => self.clients.claim())));
self.addEventListener("message", ({ data }) => void (data === "take over" && self.skipWaiting()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) event.respondWith(respond(event.request));
});

async function respond(request) {
  const cache = await caches.open(CACHE);
  // Only the page reads `?store=…`. Some servers send `Vary: Origin`, which does not matter here: all files belong to
  // this origin.
  return (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
}

/** Caches the files one after the other, because the page shares the connection. */
async function cacheFiles() {
  const cache = await caches.open(CACHE);
  for (const name of FILES) {
    // The name of an asset has a hash of its content, so a copy of an older version or in the HTTP cache is never
    // stale.
    const isAsset = name.startsWith("assets/");
    const copy = isAsset ? await caches.match(name, { ignoreVary: true }) : undefined;
    const response = copy ?? (await fetch(name, { cache: isAsset ? "force-cache" : "no-cache" }));
    if (!response.ok) throw new Error(`${name} cannot be cached: the server answered ${response.status}`);
    await cache.put(name, response);
  }
}

async function removeOldVersions() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("runstate-www-") && name !== CACHE).map((name) => caches.delete(name)));
}
