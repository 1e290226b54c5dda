// The calls of an execution in the order they were asked: what was asked, who answered, how long it took.

import type { CallRow } from "runstate";

import { tabName } from "../engine/session";
import { VirtualList } from "../ui/virtual";
import { clock, count, duration, plain } from "../ui/words";

const ROW_PX = 58;

const OUTCOMES: Record<string, string> = {
  answered: "",
  defaulted: "nobody in time: its default",
  timed_out: "nobody in time",
  failed: "failed",
  cancelled: "cancelled",
};

export function Timeline({ calls }: { calls: CallRow[] }) {
  return (
    <section class="panel" aria-labelledby="calls-title" data-testid="timeline">
      <h3 id="calls-title">
        Calls <span class="aside">{calls.length === 0 ? "" : count(calls.length, "call")}</span>
      </h3>
      {calls.length === 0 ? (
        <p class="empty">It has asked nothing yet.</p>
      ) : (
        <div class="timeline" style={{ height: `${Math.min(calls.length, 6) * ROW_PX}px` }}>
          <VirtualList
            label="Calls, in the order they were asked"
            count={calls.length}
            rowHeight={ROW_PX}
            pinned={-1}
            followEnd={true}
            testid="call-list"
            keyOf={(index) => calls[index]?.id ?? String(index)}
            render={(index) => <Row call={calls[index]} />}
          />
        </div>
      )}
    </section>
  );
}

function Row({ call }: { call: CallRow | undefined }) {
  if (call === undefined) return null;
  const what =
    call.kind === "cc" ? (call.prompt ?? "") : call.kind === "timer" ? "sleep" : `${call.kind}(${plain(call.args)})`;
  const outcome = call.outcome ?? "open";
  return (
    <div class={`call ${outcome}`} data-testid="call-row" data-outcome={outcome} data-call={call.id}>
      <span class="call-step">{call.step ?? "early"}</span>
      <span class="call-what" title={what}>
        {what}
      </span>
      <span class="call-answer" title={plain(call.result)}>
        {call.outcome === undefined ? "waits" : answer(call)}
      </span>
      <span class="call-who">{who(call)}</span>
    </div>
  );
}

function answer(call: CallRow): string {
  const words = OUTCOMES[call.outcome ?? ""] ?? call.outcome ?? "";
  if (call.kind === "timer") return call.outcome === "cancelled" ? words : "over";
  const result = call.result === undefined ? (call.error?.message ?? "") : plain(call.result);
  return [words, result].filter((part) => part !== "").join(": ");
}

function who(call: CallRow): string {
  const by = call.by === undefined ? "" : call.by === tabName ? "this tab" : call.by;
  const took = call.latencyMs === undefined ? "" : `after ${duration(call.latencyMs)}`;
  const at = call.outcome === undefined && call.askedAt !== undefined ? `since ${clock(call.askedAt)}` : "";
  return [by, took, at].filter((part) => part !== "").join(" · ");
}
