// Registers the service worker, which caches downloads and opens the page without a network.

import { signal } from "@preact/signals";

/** The service worker of a newer page that waits to be activated; null if there is none. */
export const waitingWorker = signal<ServiceWorker | null>(null);

/** How long downloads wait for a service worker that caches them, in milliseconds. */
const CONTROLLER_TIMEOUT_MS = 3_000;

/** Null during development, when files change while the page is open. */
const container = import.meta.env.PROD && "serviceWorker" in navigator ? navigator.serviceWorker : null;

/** Resolves when the service worker caches downloads, or when there will be none. */
export const offlineReady: Promise<void> = register();

/** Makes the service worker download the files that the page has not requested. */
export async function completeOffline(): Promise<void> {
  await offlineReady;
  container?.controller?.postMessage("complete");
}

async function register(): Promise<void> {
  if (container === null) return;
  try {
    const registration = await container.register("./sw.js");
    watchForUpdate(registration, container);
    if (container.controller === null) await waitForController(container);
  } catch (error) {
    // Private windows and pages that are opened from a file have no service workers. Everything else works.
    console.info("runstate: the page is not cached for offline use:", error);
  }
}

function waitForController(workers: ServiceWorkerContainer): Promise<void> {
  return new Promise((resolve) => {
    workers.addEventListener("controllerchange", () => resolve(), { once: true });
    setTimeout(resolve, CONTROLLER_TIMEOUT_MS);
  });
}

function watchForUpdate(registration: ServiceWorkerRegistration, workers: ServiceWorkerContainer): void {
  const updateWaitingWorker = () => {
    // The first worker replaces no other one, so it is not an update.
    if (workers.controller !== null) waitingWorker.value = registration.waiting;
  };
  updateWaitingWorker();
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", updateWaitingWorker));
}
