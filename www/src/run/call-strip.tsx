// The calls of an execution as a strip: a dot for each call, in the order in which they were made, and a cross where an engine was killed. It is
// hidden from screen readers, because the list of calls has the same content.

import type { CallRow, Execution as Execution } from "runstate";

import { killTimes } from "../kill/ledger";

/** The maximum number of dots; the newest are shown. */
const MAX_DOTS = { wide: 220, narrow: 70 };

/** Above this number the dots have less space between them. */
const DENSE_FROM = 60;

interface CallMark {
  at: number;
  what: string;
  title: string;
}

export function CallStrip({ execution, calls }: { execution: Execution; calls: CallRow[] }) {
  const marks = marksOf(execution, calls, killTimes.value);
  const ended = execution.completed !== null;
  const room = innerWidth < 760 ? MAX_DOTS.narrow : MAX_DOTS.wide;
  return (
    <div class={`call-strip ${marks.length > DENSE_FROM ? "dense" : ""}`} aria-hidden="true" data-testid="call-strip">
      <span class="call-dot start" />
      {marks.length > room ? <span class="call-dots-more">+{marks.length - room}</span> : null}
      {marks.slice(-room).map((mark, index) => (
        <span key={index} class={`call-dot ${mark.what}`} title={mark.title} />
      ))}
      <span class={`call-dot call-dot-end ${ended ? execution.status : ""}`} />
    </div>
  );
}

function marksOf(execution: Execution, calls: CallRow[], killed: number[]): CallMark[] {
  const asked = calls.map((call) => ({
    at: call.askedAt ?? call.answeredAt ?? 0,
    what: call.outcome ?? "waits",
    title: call.prompt ?? call.kind,
  }));
  const end = execution.completed ?? Infinity;
  const kills = killed
    .filter((at) => at > execution.started && at < end)
    .map((at) => ({ at, what: "engine-kill", title: "The engine was killed here" }));
  return [...asked, ...kills].sort((a, b) => a.at - b.at);
}
