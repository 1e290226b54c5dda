// How long an answer is still taken, and what happens then.

import type { OpenCall } from "runstate";

import { now } from "../ui/time";
import { duration, moment, plain } from "../ui/words";

export function Deadline({ at, call }: { at: number; call: OpenCall }) {
  const left = at - now.value;
  const urgent = left < 60_000;
  const words = left > 0 ? `in ${duration(Math.ceil(left / 1_000) * 1_000)}` : "now";
  return (
    <span class={`deadline${urgent ? " urgent" : ""}`} title={moment(at)} data-testid="deadline">
      {call.kind === "timer" ? `It goes on by itself ${words}` : `${words} ${then(call)}`}
    </span>
  );
}

function then(call: OpenCall): string {
  return call.default === undefined ? "it is too late" : `the answer is “${plain(call.default)}”`;
}
