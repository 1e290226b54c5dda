// What the page says after it was killed: how much was acknowledged, and that all of it is there.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { engine } from "../engine/session";
import { attempt } from "../state/notices";
import { hrefOf } from "../state/route";
import { mainPart, useFocusGuard } from "../ui/focus";
import { duration } from "../ui/words";
import { afterlife, dismiss, type Afterlife } from "./afterlife";
import { finish } from "./burst";
import { holds, type Proof } from "./proof";

/** What became of the execution that was looked at. */
const WATCHED = {
  same: "is exactly what it was: its state hash is still ",
  "went on": "was gone on with by somebody else.",
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
      aria-labelledby="afterlife-title"
      data-testid="afterlife"
      data-acknowledged={proof.acknowledged}
      data-lost={proof.lost.length}
      data-twice={proof.twice.length}
      data-holds={well}
    >
      <h2 id="afterlife-title">
        {tried.killed === null ? "A tab died in the middle of a burst" : "This tab was killed"}
        {well ? ", and nothing was lost" : ", and the promise was broken"}
      </h2>
      <ul>
        <li>
          <strong>{proof.acknowledged}</strong> {proof.acknowledged === 1 ? "answer was" : "answers were"} acknowledged
          {tried.killed === null ? "" : ` in the ${duration(tried.killed - tried.begun)} before its death`};{" "}
          {fate(proof)}
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
        <a href={hrefOf(tried.execution)} data-testid="show-killed">
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
        <button type="button" class="link" onClick={dismiss} data-testid="dismiss-afterlife">
          Close
        </button>
      </p>
    </section>
  );
}

function fate({ acknowledged, lost, twice }: Proof): string {
  if (lost.length === 0 && twice.length === 0) return `all ${acknowledged} are there, none twice.`;
  const parts = [
    lost.length > 0 ? `${lost.length} are lost` : "",
    twice.length > 0 ? `${twice.length} are there twice` : "",
  ];
  return `${parts.filter((part) => part !== "").join(", ")}.`;
}

function underWay({ underWay: sent, kept }: Proof): string {
  if (sent === 1)
    return `One more was under way, and nobody had been told that it was kept: it was${kept === 1 ? "" : " not"}.`;
  return `${sent} more were under way, and nobody had been told that they were kept: ${kept === 0 ? "none" : kept} of them ${kept === 1 ? "was" : "were"}.`;
}
