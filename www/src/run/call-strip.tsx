// The calls of an execution as a strip: a dot for each call, in the order in which they were made. A cross marks where an engine was killed. The strip
// is hidden from screen readers, because the list of calls has the same content.

import type { CallRow, Execution } from "runstate";

import { killTimes } from "../kill/ledger";

/** The maximum number of dots; the newest are shown. */
const MAX_DOTS = { wide: 220, narrow: 70 };

/** Above this number the dots have less space between them. */
const DENSE_FROM = 60;

interface CallMark {
  at: number;
  outcome: string;
  title: string;
}

export function CallStrip({ execution, calls }: { execution: Execution; calls: CallRow[] }) {
  const marks = marksOf(execution, calls, killTimes.value);
  const ended = execution.completed !== null;
  const maxDots = innerWidth < 760 ? MAX_DOTS.narrow : MAX_DOTS.wide;
  return (
    <div class={`call-strip ${marks.length > DENSE_FROM ? "dense" : ""}`} aria-hidden="true" data-testid="call-strip">
      <span class="call-dot start" />
      {marks.length > maxDots ? <span class="call-dots-more">+{marks.length - maxDots}</span> : null}
      {marks.slice(-maxDots).map((mark, index) => (
        <span key={index} class={`call-dot ${mark.outcome}`} title={mark.title} />
      ))}
      <span class={`call-dot call-dot-end ${ended ? execution.status : ""}`} />
    </div>
  );
}

function marksOf(execution: Execution, calls: CallRow[], killed: number[]): CallMark[] {
  const asked = calls.map((call) => ({
    at: call.askedAt ?? call.answeredAt ?? 0,
    outcome: call.outcome ?? "waits",
    title: call.prompt ?? call.kind,
  }));
  const end = execution.completed ?? Infinity;
  const kills = killed
    .filter((at) => at > execution.started && at < end)
    .map((at) => ({ at, outcome: "engine-kill", title: "The engine was killed here" }));
  return [...asked, ...kills].sort((a, b) => a.at - b.at);
}
