// Which tab drives the timers, as a signal.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

export const driving = signal<"leading" | "standby" | "off">("off");

export function followDriver(rs: Runstate): void {
  const read = () => (driving.value = rs.driver.state);
  rs.driver.addEventListener("change", read);
  read();
}
