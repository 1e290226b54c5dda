// Says that a newer version of the page is there.

import { newer } from "./offline";

export function UpdateBanner() {
  const worker = newer.value;
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
