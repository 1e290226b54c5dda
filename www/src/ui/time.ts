// The time of day as a signal, for countdowns and ages: one timer for the whole page, and none while it is hidden.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

function tick(): void {
  if (document.visibilityState === "visible") now.value = Date.now();
}

setInterval(tick, 1_000);
document.addEventListener("visibilitychange", tick);
