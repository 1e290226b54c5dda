// The kill as visitors see it: the dialog that starts it, and the report afterwards.

import { Button } from "../controls";
import { engine, isDurable, store } from "../engine";
import { formatCount } from "../format";
import { notify, notifyError } from "../notices";
import { hrefOf } from "../state";
import * as kill from "./burst";
import { isSound, verdict } from "./proof";

/** Runs a burst. The outcome is shown at the top of the page, so the dialog is closed. */
export async function playBurst(victim: kill.Victim): Promise<void> {
  if (kill.isRunning(kill.burst.peek())) return;
  try {
    await kill.runBurst(engine(), victim);
    if (kill.burst.peek().at !== "proved") notify("All questions are answered", "Nothing was killed this time.");
  } catch (error) {
    notifyError(error);
  }
  findDialog()?.close();
}

const findDialog = () => document.querySelector<HTMLDialogElement>("dialog");
export const openKillDialog = () => findDialog()?.showModal();

/** A native modal dialog. It closes with its button, with Escape, or with a press beside it. */
export function KillDialog() {
  return (
    <dialog closedby="any" aria-labelledby="kill-title" data-testid="kill-dialog">
      <div class="stack">
        <form method="dialog" class="bar apart">
          <h2 id="kill-title">Kill the engine in the middle of a save</h2>
          <button class="icon" aria-label="Close" data-testid="close-dialog">✕</button>
        </form>
        <KillDialogContent />
      </div>
    </dialog>
  );
}

function KillDialogContent() {
  if (store.value === null) return <p>The engine is not loaded yet.</p>;
  if (!isDurable.value) return <p>This page keeps everything in memory only, so nothing would be left after a kill.</p>;
  if (kill.isRunning(kill.burst.value)) return <BurstProgress />;
  return (
    <>
      <p>
        A program asks questions, and an engine in a worker answers them as fast as it can save. In the middle of a save the worker is terminated:
        nothing is closed, nothing is finished.
      </p>
      <p>The page records every acknowledged answer and compares afterwards: all of them must be stored, none twice.</p>
      <div class="bar end">
        <Button class="danger solid" onClick={() => playBurst("engine")} testid="kill-now">Kill the engine</Button>
      </div>
      <h3>Do it yourself</h3>
      <p>Start saving, which takes about twenty seconds. Kill the whole tab in that time:</p>
      <ul class="bullets">
        <li>Close the tab, or the browser.</li>
        <li>
          Chrome and Edge: <kbd>Shift</kbd> <kbd>Esc</kbd>, choose this tab, End process. Firefox: <code>about:processes</code>.
        </li>
        <li>
          End the browser in the task manager, or with <code>kill -9</code>.
        </li>
      </ul>
      <p>Then open this page again. Its first line shows how many answers are stored.</p>
      <div class="bar end"><Button onClick={() => playBurst("tab")} testid="kill-yourself">Start saving</Button></div>
    </>
  );
}

function BurstProgress() {
  const { at, saved, victim } = kill.burst.value;
  return (
    <p data-testid="burst">
      <span class="burst-count">{saved}</span> answers saved.{" "}
      {at === "killed" ? "Killed." : victim === "tab" && at === "answering" ? "Kill this tab now, and open the page again." : ""}
    </p>
  );
}

/** One line that says whether every acknowledged answer is stored, with details to open. */
export function KillReportBanner() {
  const report = kill.killReport.value;
  return <div role="status">{report && <KillReportDetails {...report} />}</div>;
}

function KillReportDetails({ ledger, proof }: kill.KillReport) {
  const { acknowledged, lost, twice, underWay, kept } = proof;
  const sound = isSound(proof);
  return (
    <section
      class={`banner bar apart ${sound ? "saved" : "bad"}`}
      aria-label="After the kill"
      data-testid="kill-report"
      data-acknowledged={acknowledged}
      data-lost={lost.length}
      data-twice={twice.length}
      data-under-way={underWay}
      data-holds={sound}
    >
      <details open={!sound}>
        <summary class="cut"><strong>{verdict(proof)}</strong></summary>
        <ul class="bullets">
          <li>
            {formatCount(acknowledged, "answer")} {acknowledged === 1 ? "was" : "were"} acknowledged before the kill:{" "}
            {sound ? "all of them are stored, none twice" : `${lost.length} are lost, ${twice.length} are stored twice`}.
          </li>
          {underWay > 0 && (
            <li>
              {formatCount(underWay, "more answer")} {underWay === 1 ? "was" : "were"} being saved and not yet acknowledged: {kept} of them stored.
            </li>
          )}
        </ul>
        <a class="action" href={hrefOf(ledger.execution)} data-testid="show-killed">Show the execution</a>
      </details>
      <Button class="icon" aria-label="Close" onClick={kill.clearReport} testid="dismiss-kill-report">✕</Button>
    </section>
  );
}
