// Which tab drives the timers, as a signal.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate } from "runstate/slim";

import { tellError } from "../state/notices";

export const driving = signal<"leading" | "standby" | "off">("off");

export function followDriver(rs: Runstate): void {
  const read = () => (driving.value = rs.driver.state);
  rs.driver.addEventListener("change", read);
  rs.driver.addEventListener("error", (event) => {
    const error: unknown = event instanceof CustomEvent ? event.detail : event;
    // What may go better the next time is tried again without a word.
    if (!(error instanceof RunstateError && error.retryable)) tellError(error);
  });
  read();
}
