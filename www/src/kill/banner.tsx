// The report after a kill: one line that says whether every acknowledged answer is stored, with details to open.

import { useRef } from "preact/hooks";

import { engine } from "../engine/session";
import { hrefOf } from "../state/route";
import { Button } from "../ui/controls";
import { formatCount, formatDuration, joinTexts } from "../ui/format";
import { useCommand, useFocusGuard } from "../ui/hooks";
import { answerRemaining } from "./burst";
import { clearLedger, killReport, type KillReport } from "./ledger";
import { isSound, verdict, type Proof } from "./proof";

/** The texts about the execution that was shown during the burst. */
const WATCHED_OUTCOMES = {
  same: "has not changed: its state hash is still ",
  "went on": "was continued elsewhere in the meantime.",
  lost: "has changed.",
};

export function KillReportBanner() {
  const report = killReport.value;
  const region = useRef<HTMLDivElement>(null);
  useFocusGuard(region, report, "button");
  return (
    <div role="status" aria-live="polite" ref={region}>
      {report && <KillReportDetails {...report} />}
    </div>
  );
}

function KillReportDetails({ ledger, proof }: KillReport) {
  const { busy, run } = useCommand();
  const { execution, begun, killed, watched } = ledger.attempt;
  const { acknowledged, lost, twice, underWay } = proof;
  const sound = isSound(proof);
  return (
    <section
      class={`banner kill-report ${sound ? "saved" : "bad"}`}
      aria-label="After the kill"
      data-testid="kill-report"
      data-acknowledged={acknowledged}
      data-lost={lost.length}
      data-twice={twice.length}
      data-under-way={underWay}
      data-holds={sound}
    >
      <details open={!sound}>
        <summary class="cut">
          <strong>{verdict(proof)}</strong>
        </summary>
        <ul class="bullets">
          <li>
            {formatCount(acknowledged, "answer")} {acknowledged === 1 ? "was" : "were"} acknowledged
            {killed === null
              ? " before the tab was killed"
              : ` in the ${formatDuration(killed - begun)} before the engine was killed`}
            ; {describeAcknowledged(proof)}
          </li>
          {underWay > 0 && <li>{describeUnacknowledged(proof)}</li>}
          {watched && (
            <li>
              {watched.id}, which was shown at that time, {WATCHED_OUTCOMES[proof.watched ?? "same"]}
              {proof.watched === "same" && <code>{watched.hash.slice(0, 12)}…</code>}
            </li>
          )}
        </ul>
        <p class="bar">
          <a class="action" href={hrefOf(execution)} data-testid="show-killed">
            Show the execution
          </a>
          <Button class="link" busy={busy} onClick={() => run(() => answerRemaining(engine(), execution))} testid="finish-killed">
            {busy ? "Answering…" : "Answer the rest"}
          </Button>
        </p>
      </details>
      <Button class="icon" aria-label="Close" onClick={clearLedger} testid="dismiss-kill-report">
        ✕
      </Button>
    </section>
  );
}

function describeAcknowledged({ lost, twice }: Proof): string {
  const lostText = lost.length > 0 ? `${lost.length} are lost` : "";
  const twiceText = twice.length > 0 ? `${twice.length} are stored twice` : "";
  return `${joinTexts(", ", lostText, twiceText) || "all of them are stored, none twice"}.`;
}

function describeUnacknowledged({ underWay: sent, kept }: Proof): string {
  const outcome = kept === 0 ? "not stored" : kept === sent ? "stored" : `${kept} of them stored`;
  return `${formatCount(sent, "more answer")} ${sent === 1 ? "was" : "were"} being saved at that moment and not yet acknowledged: ${outcome}.`;
}
