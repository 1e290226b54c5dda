// The time until the deadline of a call, and what happens then.

import type { OpenCall } from "runstate";

import { now } from "../ui/time";
import { formatDuration, formatDateTime, formatValue } from "../ui/format";

export function Deadline({ at, call }: { at: number; call: OpenCall }) {
  const remaining = at - now.value;
  const urgent = remaining < 60_000;
  const words = remaining > 0 ? `in ${formatDuration(Math.ceil(remaining / 1_000) * 1_000)}` : "now";
  return (
    <span class={`deadline${urgent ? " urgent" : ""}`} title={formatDateTime(at)} data-testid="deadline">
      {call.kind === "timer" ? `continues by itself ${words}` : `${words} ${describeExpiry(call)}`}
    </span>
  );
}

function describeExpiry(call: OpenCall): string {
  return call.default === undefined ? "the deadline passes" : `the answer is “${formatValue(call.default)}”`;
}
