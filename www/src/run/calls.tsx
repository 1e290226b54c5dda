// The calls of an execution in the order in which they were made: as a strip of dots, and as a list with questions, answers, authors and durations.

import type { CallRow, Execution } from "runstate";

import { tabName } from "../engine/session";
import { killTimes } from "../kill/ledger";
import { Panel } from "../ui/controls";
import { formatCount, formatDuration, formatTime, formatValue, joinTexts } from "../ui/format";
import { VirtualList } from "../ui/virtual-list";

const ROW_PX = 58;

/** The maximum number of dots; the newest are shown. */
const MAX_DOTS = { wide: 220, narrow: 70 };

const OUTCOMES: Record<string, string> = {
  answered: "",
  defaulted: "no answer in time, default",
  timed_out: "no answer in time",
};

/** A dot for each call. A cross marks where an engine was killed. Hidden from screen readers, because the list has the same content. */
export function CallStrip({ execution, calls }: { execution: Execution; calls: CallRow[] }) {
  const { started, completed, status } = execution;
  const asked = calls.map(({ askedAt, answeredAt, outcome = "waits", prompt, kind }) => ({
    at: askedAt ?? answeredAt ?? 0,
    outcome,
    title: prompt ?? kind,
  }));
  const kills = killTimes.value
    .filter((at) => at > started && at < (completed ?? Infinity))
    .map((at) => ({ at, outcome: "killed", title: "The engine was killed here" }));
  const marks = [...asked, ...kills].sort((a, b) => a.at - b.at);
  const omitted = Math.max(0, marks.length - (innerWidth < 760 ? MAX_DOTS.narrow : MAX_DOTS.wide));
  return (
    <div class="call-strip" aria-hidden="true" data-testid="call-strip">
      {omitted > 0 && <small class="more hint">+{omitted}</small>}
      {marks.slice(omitted).map(({ outcome, title }, index) => (
        <span key={index} class={outcome} title={title}>
          {outcome === "killed" && "✕"}
        </span>
      ))}
      <span class={`last ${completed === null ? "" : status}`} />
    </div>
  );
}

export function Timeline({ calls }: { calls: CallRow[] }) {
  return (
    <Panel testid="timeline" title="Calls" aside={calls.length === 0 ? "" : formatCount(calls.length, "call")}>
      {calls.length === 0 ? (
        <p class="hint">No calls yet.</p>
      ) : (
        <div style={{ display: "grid", height: `${Math.min(calls.length, 6) * ROW_PX}px` }}>
          <VirtualList
            label="Calls, in the order in which they were made"
            items={calls}
            rowHeight={ROW_PX}
            followEnd={true}
            testid="call-list"
            render={(call) => <TimelineRow call={call} />}
          />
        </div>
      )}
    </Panel>
  );
}

function TimelineRow({ call }: { call: CallRow }) {
  const { id, kind, prompt = "", args, step = "early", outcome = "open", result } = call;
  const title = kind === "cc" ? prompt : kind === "timer" ? "sleep" : `${kind}(${formatValue(args)})`;
  return (
    <div class={`call ${outcome}`} data-testid="call-row" data-outcome={outcome} data-call={id}>
      <span class="hint">{step}</span>
      <span class="cut" title={title}>
        {title}
      </span>
      <strong class="cut" title={formatValue(result)}>
        {describeAnswer(call)}
      </strong>
      <span class="hint cut">{describeAnswerer(call)}</span>
    </div>
  );
}

function describeAnswer({ kind, outcome, result, error }: CallRow): string {
  if (outcome === undefined) return "waiting";
  if (kind === "timer" && outcome !== "cancelled") return "elapsed";
  return joinTexts(": ", OUTCOMES[outcome] ?? outcome, result === undefined ? (error?.message ?? "") : formatValue(result));
}

function describeAnswerer({ by = "", latencyMs, outcome, askedAt }: CallRow): string {
  const took = latencyMs === undefined ? "" : `after ${formatDuration(latencyMs)}`;
  const since = outcome === undefined && askedAt !== undefined ? `since ${formatTime(askedAt)}` : "";
  return joinTexts(" · ", by === tabName ? "this tab" : by, took, since);
}
