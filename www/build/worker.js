// The service worker: after the first visit the page opens without a network. One cache for each version of the page; a page that is open
// keeps the version it was opened with, since the old worker stays until its last tab is gone.

const CACHE = "runstate-www-__VERSION__";
const FILES = __FILES__;

self.addEventListener("install", (event) => {
  // `reload`: a stale copy in the browser's own cache would be kept for good.
  const files = FILES.map((name) => new Request(name === "index.html" ? "./" : name, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldVersions().then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  event.respondWith(kept(event.request));
});

async function removeOldVersions() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("runstate-www-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function kept(request) {
  const cache = await caches.open(CACHE);
  // `?store=…` is the page's own business: the page itself is the same.
  const scope = new URL("./", self.location.href).pathname;
  const isPage = request.mode === "navigate" && [scope, `${scope}index.html`].includes(new URL(request.url).pathname);
  // `Vary: Origin`, which some servers send, is of no meaning here: all of it is this origin's own.
  const found = await cache.match(isPage ? "./" : request, { ignoreVary: true });
  return found ?? fetch(request);
}
