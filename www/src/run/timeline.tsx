// The calls of an execution in the order in which they were made, each with its question, its answer, its author and its duration.

import type { CallRow } from "runstate";

import { tabName } from "../engine/session";
import { VirtualList } from "../ui/virtual-list";
import { formatTime, formatCount, formatDuration, formatValue } from "../ui/format";

const ROW_PX = 58;

const OUTCOMES: Record<string, string> = {
  answered: "",
  defaulted: "no answer in time, default",
  timed_out: "no answer in time",
  failed: "failed",
  cancelled: "cancelled",
};

export function Timeline({ calls }: { calls: CallRow[] }) {
  return (
    <section class="panel" aria-labelledby="calls-title" data-testid="timeline">
      <h3 id="calls-title">
        Calls <span class="aside">{calls.length === 0 ? "" : formatCount(calls.length, "call")}</span>
      </h3>
      {calls.length === 0 ? (
        <p class="empty">No calls yet.</p>
      ) : (
        <div class="timeline" style={{ height: `${Math.min(calls.length, 6) * ROW_PX}px` }}>
          <VirtualList
            label="Calls, in the order in which they were made"
            count={calls.length}
            rowHeight={ROW_PX}
            pinned={-1}
            followEnd={true}
            testid="call-list"
            keyOf={(index) => calls[index]?.id ?? String(index)}
            render={(index) => <TimelineRow call={calls[index]} />}
          />
        </div>
      )}
    </section>
  );
}

function TimelineRow({ call }: { call: CallRow | undefined }) {
  if (call === undefined) return null;
  const title =
    call.kind === "cc" ? (call.prompt ?? "") : call.kind === "timer" ? "sleep" : `${call.kind}(${formatValue(call.args)})`;
  const outcome = call.outcome ?? "open";
  return (
    <div class={`call ${outcome}`} data-testid="call-row" data-outcome={outcome} data-call={call.id}>
      <span class="call-step">{call.step ?? "early"}</span>
      <span class="call-title" title={title}>
        {title}
      </span>
      <span class="call-answer" title={formatValue(call.result)}>
        {call.outcome === undefined ? "waiting" : describeAnswer(call)}
      </span>
      <span class="call-by">{describeAnswerer(call)}</span>
    </div>
  );
}

function describeAnswer(call: CallRow): string {
  const words = OUTCOMES[call.outcome ?? ""] ?? call.outcome ?? "";
  if (call.kind === "timer") return call.outcome === "cancelled" ? words : "elapsed";
  const result = call.result === undefined ? (call.error?.message ?? "") : formatValue(call.result);
  return [words, result].filter((part) => part !== "").join(": ");
}

function describeAnswerer(call: CallRow): string {
  const by = call.by === undefined ? "" : call.by === tabName ? "this tab" : call.by;
  const took = call.latencyMs === undefined ? "" : `after ${formatDuration(call.latencyMs)}`;
  const at = call.outcome === undefined && call.askedAt !== undefined ? `since ${formatTime(call.askedAt)}` : "";
  return [by, took, at].filter((part) => part !== "").join(" · ");
}
