// The current time as a signal, for countdowns and ages. One timer serves the whole page; a hidden page is not updated.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

function tick(): void {
  if (document.visibilityState === "visible") now.value = Date.now();
}

setInterval(tick, 1_000);
document.addEventListener("visibilitychange", tick);
