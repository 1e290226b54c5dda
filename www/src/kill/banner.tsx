// The proof after a death, in one line: whether all that was acknowledged is there. The line opens to the details.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { engine } from "../engine/session";
import { attempt } from "../state/notices";
import { hrefOf } from "../state/route";
import { mainPart, useFocusGuard } from "../ui/focus";
import { count, duration } from "../ui/words";
import { afterlife, dismiss, type Afterlife } from "./afterlife";
import { finish } from "./burst";
import { holds, verdict, type Proof } from "./proof";

/** What became of the execution that was looked at. */
const WATCHED = {
  same: "is exactly what it was: its state hash is still ",
  "went on": "was continued elsewhere meanwhile.",
  lost: "is not what it was.",
};

export function AfterlifeBanner() {
  const after = afterlife.value;
  const place = useRef<HTMLDivElement>(null);
  useFocusGuard(place, after, () => ({ to: mainPart(), waits: false }));
  return (
    <div role="status" aria-live="polite" ref={place}>
      {after === null ? null : <Banner {...after} />}
    </div>
  );
}

function Banner({ ledger, proof }: Afterlife) {
  const busy = useSignal(false);
  const { attempt: tried } = ledger;
  const well = holds(proof);

  async function answerRest(): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    await attempt(() => finish(rs, tried.execution));
    busy.value = false;
  }

  return (
    <section
      class={`afterlife ${well ? "good" : "bad"}`}
      aria-label="After the kill"
      data-testid="afterlife"
      data-acknowledged={proof.acknowledged}
      data-lost={proof.lost.length}
      data-twice={proof.twice.length}
      data-under-way={proof.underWay}
      data-holds={well}
    >
      <details open={!well}>
        <summary>
          <strong>{verdict(proof)}</strong>
        </summary>
        <ul>
          <li>
            {count(proof.acknowledged, "answer")} {proof.acknowledged === 1 ? "was" : "were"} acknowledged
            {tried.killed === null
              ? " before the tab died"
              : ` in the ${duration(tried.killed - tried.begun)} before the engine was killed`}
            ; {fate(proof)}
          </li>
          {proof.underWay === 0 ? null : <li>{underWay(proof)}</li>}
          {tried.watched === null ? null : (
            <li>
              {tried.watched.id}, which was shown meanwhile, {WATCHED[proof.watched ?? "same"]}
              {proof.watched === "same" ? <code>{tried.watched.hash.slice(0, 12)}…</code> : null}
            </li>
          )}
        </ul>
        <p class="banner-actions">
          <a class="action" href={hrefOf(tried.execution)} data-testid="show-killed">
            Look at it
          </a>
          <button
            type="button"
            class="link"
            aria-disabled={busy.value}
            onClick={() => void answerRest()}
            data-testid="finish-killed"
          >
            {busy.value ? "Answering…" : "Answer the rest"}
          </button>
        </p>
      </details>
      <button type="button" class="quiet" aria-label="Close" onClick={dismiss} data-testid="dismiss-afterlife">
        ✕
      </button>
    </section>
  );
}

function fate({ lost, twice }: Proof): string {
  if (lost.length === 0 && twice.length === 0) return "all of them are there, none twice.";
  const parts = [
    lost.length > 0 ? `${lost.length} are lost` : "",
    twice.length > 0 ? `${twice.length} are there twice` : "",
  ];
  return `${parts.filter((part) => part !== "").join(", ")}.`;
}

function underWay({ underWay: sent, kept }: Proof): string {
  const fates = kept === 0 ? "not kept" : kept === sent ? "kept" : `${kept} of them kept`;
  return `${count(sent, "more answer")} ${sent === 1 ? "was" : "were"} being saved at that moment and not yet acknowledged: ${fates}.`;
}
