// The service worker: it keeps downloads, and opens the page without a network.

import { signal } from "@preact/signals";

/** A newer page that waits to take over; null: none. */
export const newer = signal<ServiceWorker | null>(null);

/** How long downloads wait for a worker that keeps them, in milliseconds. */
const PATIENCE_MS = 3_000;

/** Not while developing: there the files change under it. */
const container = import.meta.env.PROD && "serviceWorker" in navigator ? navigator.serviceWorker : null;

/** Comes to its end when downloads pass through the worker, which keeps them; or when there will be none. */
export const kept: Promise<void> = register();

/** Lets the worker download the files that the page has not asked for. */
export async function completeOffline(): Promise<void> {
  await kept;
  container?.controller?.postMessage("complete");
}

async function register(): Promise<void> {
  if (container === null) return;
  try {
    const registration = await container.register("./sw.js");
    watchFor(registration, container);
    if (container.controller === null) await controlled(container);
  } catch (error) {
    // Private windows and pages that are opened from a file have none; all else works.
    console.info("runstate: the page is not kept for offline use:", error);
  }
}

function controlled(workers: ServiceWorkerContainer): Promise<void> {
  return new Promise((resolve) => {
    workers.addEventListener("controllerchange", () => resolve(), { once: true });
    setTimeout(resolve, PATIENCE_MS);
  });
}

function watchFor(registration: ServiceWorkerRegistration, workers: ServiceWorkerContainer): void {
  const look = () => {
    // The first one of all replaces nothing.
    if (workers.controller !== null) newer.value = registration.waiting;
  };
  look();
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
}
