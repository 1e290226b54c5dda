// The state of the driver of timers, as a signal.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate } from "runstate/slim";

import { notifyError } from "../state/notices";

export const driverState = signal<"leading" | "standby" | "off">("off");

export function followDriver(rs: Runstate): void {
  const read = () => (driverState.value = rs.driver.state);
  rs.driver.addEventListener("change", read);
  rs.driver.addEventListener("error", (event) => {
    const error: unknown = event instanceof CustomEvent ? event.detail : event;
    // The driver retries by itself, so retryable errors are not shown.
    if (!(error instanceof RunstateError && error.retryable)) notifyError(error);
  });
  read();
}
