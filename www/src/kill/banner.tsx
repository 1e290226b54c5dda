// The report after a kill: one line that says whether every acknowledged answer is stored, with details to open.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { engine } from "../engine/session";
import { runOrNotify } from "../state/notices";
import { hrefOf } from "../state/route";
import { mainElement, useFocusGuard } from "../ui/focus";
import { formatCount, formatDuration } from "../ui/format";
import { killReport, dismissReport, type KillReport } from "./report";
import { answerRemaining } from "./burst";
import { isSound, verdict, type Proof } from "./proof";

/** The texts about the execution that was shown during the burst. */
const WATCHED_OUTCOMES = {
  same: "has not changed: its state hash is still ",
  "went on": "was continued elsewhere in the meantime.",
  lost: "has changed.",
};

export function KillReportBanner() {
  const report = killReport.value;
  const place = useRef<HTMLDivElement>(null);
  useFocusGuard(place, report, () => ({ to: mainElement(), waits: false }));
  return (
    <div role="status" aria-live="polite" ref={place}>
      {report === null ? null : <KillReportDetails {...report} />}
    </div>
  );
}

function KillReportDetails({ ledger, proof }: KillReport) {
  const busy = useSignal(false);
  const { attempt } = ledger;
  const sound = isSound(proof);

  async function onAnswerRemaining(): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    await runOrNotify(() => answerRemaining(rs, attempt.execution));
    busy.value = false;
  }

  return (
    <section
      class={`kill-report ${sound ? "good" : "bad"}`}
      aria-label="After the kill"
      data-testid="kill-report"
      data-acknowledged={proof.acknowledged}
      data-lost={proof.lost.length}
      data-twice={proof.twice.length}
      data-under-way={proof.underWay}
      data-holds={sound}
    >
      <details open={!sound}>
        <summary>
          <strong>{verdict(proof)}</strong>
        </summary>
        <ul>
          <li>
            {formatCount(proof.acknowledged, "answer")} {proof.acknowledged === 1 ? "was" : "were"} acknowledged
            {attempt.killed === null
              ? " before the tab was killed"
              : ` in the ${formatDuration(attempt.killed - attempt.begun)} before the engine was killed`}
            ; {describeAcknowledged(proof)}
          </li>
          {proof.underWay === 0 ? null : <li>{describeUnacknowledged(proof)}</li>}
          {attempt.watched === null ? null : (
            <li>
              {attempt.watched.id}, which was shown at that time, {WATCHED_OUTCOMES[proof.watched ?? "same"]}
              {proof.watched === "same" ? <code>{attempt.watched.hash.slice(0, 12)}…</code> : null}
            </li>
          )}
        </ul>
        <p class="banner-actions">
          <a class="action" href={hrefOf(attempt.execution)} data-testid="show-killed">
            Show the execution
          </a>
          <button
            type="button"
            class="link"
            aria-disabled={busy.value}
            onClick={() => void onAnswerRemaining()}
            data-testid="finish-killed"
          >
            {busy.value ? "Answering…" : "Answer the rest"}
          </button>
        </p>
      </details>
      <button type="button" class="quiet" aria-label="Close" onClick={dismissReport} data-testid="dismiss-kill-report">
        ✕
      </button>
    </section>
  );
}

function describeAcknowledged({ lost, twice }: Proof): string {
  if (lost.length === 0 && twice.length === 0) return "all of them are stored, none twice.";
  const parts = [
    lost.length > 0 ? `${lost.length} are lost` : "",
    twice.length > 0 ? `${twice.length} are stored twice` : "",
  ];
  return `${parts.filter((part) => part !== "").join(", ")}.`;
}

function describeUnacknowledged({ underWay: sent, kept }: Proof): string {
  const outcome = kept === 0 ? "not stored" : kept === sent ? "stored" : `${kept} of them stored`;
  return `${formatCount(sent, "more answer")} ${sent === 1 ? "was" : "were"} being saved at that moment and not yet acknowledged: ${outcome}.`;
}
