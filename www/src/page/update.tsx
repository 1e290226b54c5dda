// The service worker: makes the page open without a network, and says when a newer page is there.

import { signal } from "@preact/signals";

const waiting = signal<ServiceWorker | null>(null);

/** Registers it. Not while developing: there the files change under it. */
export async function keepOffline(): Promise<void> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register("./sw.js");
    const found = () => {
      // The first one of all replaces nothing.
      if (navigator.serviceWorker.controller !== null) waiting.value = registration.waiting;
    };
    found();
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", found));
  } catch (error) {
    // Private windows and pages that are opened from a file have none; all else works.
    console.info("runstate: the page is not kept for offline use:", error);
  }
}

export function UpdateBanner() {
  const worker = waiting.value;
  if (worker === null) return null;

  function takeOver(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker?.postMessage("take over");
  }

  return (
    <p class="update" role="status" data-testid="update">
      A newer version of this page is there.{" "}
      <button type="button" class="link" onClick={takeOver}>
        Reload into it
      </button>
    </p>
  );
}
