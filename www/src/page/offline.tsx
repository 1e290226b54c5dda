// Registers the service worker, which caches downloads and opens the page without a network. Shows a banner for a newer version of the page.

import { signal } from "@preact/signals";

import { Button } from "../ui/controls";

/** The service worker of a newer page that waits to be activated; null if there is none. */
const waitingWorker = signal<ServiceWorker | null>(null);

/** How long downloads wait for a service worker that caches them, in milliseconds. */
const CONTROLLER_TIMEOUT_MS = 3_000;

/** Undefined during development, when files change while the page is open. */
const container: ServiceWorkerContainer | undefined = import.meta.env.PROD ? navigator.serviceWorker : undefined;

/** Resolves when the service worker caches downloads, or when there will be none. */
export const offlineReady: Promise<void> = register();

/** Makes the service worker download the files that the page has not requested. */
export async function completeOffline(): Promise<void> {
  await offlineReady;
  container?.controller?.postMessage("complete");
}

async function register(): Promise<void> {
  try {
    const registration = await container?.register("./sw.js");
    if (container === undefined || registration === undefined) return;
    const updateWaitingWorker = () => {
      // The first worker replaces no other one, so it is not an update.
      if (container.controller !== null) waitingWorker.value = registration.waiting;
    };
    updateWaitingWorker();
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", updateWaitingWorker));
    if (container.controller !== null) return;
    await new Promise((resolve) => {
      container.addEventListener("controllerchange", resolve, { once: true });
      setTimeout(resolve, CONTROLLER_TIMEOUT_MS);
    });
  } catch (error) {
    // Private windows and pages that are opened from a file have no service workers. Everything else works.
    console.info("runstate: the page is not cached for offline use:", error);
  }
}

export function UpdateBanner() {
  const worker = waitingWorker.value;
  if (worker === null) return null;

  function activateUpdate(): void {
    container?.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker?.postMessage("take over");
  }

  return (
    <p class="banner waits" role="status" data-testid="update">
      A newer version of this page is available.{" "}
      <Button class="link" onClick={activateUpdate}>
        Reload to use it
      </Button>
    </p>
  );
}
