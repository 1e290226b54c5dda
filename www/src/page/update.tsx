// The banner for a newer version of the page.

import { waitingWorker } from "./offline";

export function UpdateBanner() {
  const worker = waitingWorker.value;
  if (worker === null) return null;

  function activateUpdate(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker?.postMessage("take over");
  }

  return (
    <p class="update" role="status" data-testid="update">
      A newer version of this page is available.{" "}
      <button type="button" class="link" onClick={activateUpdate}>
        Reload to use it
      </button>
    </p>
  );
}
