// The life of an execution at a glance: a dot for each call, in the order they were asked, and a cross wherever an engine was killed
// meanwhile. The list of calls says the same in words, so this is for the eye alone.

import type { CallRow, ExecutionView as Execution } from "runstate";

import { deaths } from "../kill/ledger";

/** Dots that are drawn at most; of more, the newest. */
const DOTS = { wide: 220, narrow: 70 };

/** From so many on they stand close. */
const DENSE = 60;

interface Mark {
  at: number;
  what: string;
  title: string;
}

export function Lifeline({ execution, calls }: { execution: Execution; calls: CallRow[] }) {
  const marks = marksOf(execution, calls, deaths.value);
  const ended = execution.completed !== null;
  const room = innerWidth < 760 ? DOTS.narrow : DOTS.wide;
  return (
    <div class={`lifeline ${marks.length > DENSE ? "dense" : ""}`} aria-hidden="true" data-testid="lifeline">
      <span class="life start" />
      {marks.length > room ? <span class="life-more">+{marks.length - room}</span> : null}
      {marks.slice(-room).map((mark, index) => (
        <span key={index} class={`life ${mark.what}`} title={mark.title} />
      ))}
      <span class={`life goal ${ended ? execution.status : ""}`} />
    </div>
  );
}

function marksOf(execution: Execution, calls: CallRow[], killed: number[]): Mark[] {
  const asked = calls.map((call) => ({
    at: call.askedAt ?? call.answeredAt ?? 0,
    what: call.outcome ?? "waits",
    title: call.prompt ?? call.kind,
  }));
  const until = execution.completed ?? Infinity;
  const deaths = killed
    .filter((at) => at > execution.started && at < until)
    .map((at) => ({ at, what: "death", title: "The engine was killed here" }));
  return [...asked, ...deaths].sort((a, b) => a.at - b.at);
}
