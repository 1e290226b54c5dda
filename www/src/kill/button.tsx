// The button that kills the engine, and its dialog, which also says how visitors kill the tab themselves.

import { signal } from "@preact/signals";

import { engine, session } from "../engine/session";
import { notify, notifyError } from "../state/notices";
import { readStateHash, currentExecution } from "../run/current-execution";
import { Dialog } from "../ui/dialog";
import { burst, isRunning, killNow, LONG_PLAN, runBurst, randomPlan, type BurstPlan } from "./burst";
import type { Attempt } from "./ledger";

/** Whether the dialog is open. A shortcut opens it too. */
export const killDialogOpen = signal(false);

export function KillButton() {
  return (
    <>
      <button
        type="button"
        class="kill"
        onClick={() => (killDialogOpen.value = true)}
        aria-disabled={session.value.state !== "open"}
        data-testid="kill"
      >
        Kill it
      </button>
      <Dialog open={killDialogOpen} title="Kill the engine in the middle of a save" testid="kill-dialog">
        <KillDialogContent />
      </Dialog>
    </>
  );
}

/** Runs a burst, which must leave the shown execution unchanged. Returns whether the engine was killed and the proof was made. */
export async function playBurst(plan: BurstPlan): Promise<boolean> {
  const rs = engine();
  if (rs === null || isRunning(burst.peek())) return false;
  try {
    await runBurst(rs, plan, await readWatched());
  } catch (error) {
    notifyError(error);
    return false;
  }
  if (burst.peek().at === "proved") return true;
  notify("All questions are answered", "Nothing was killed this time.");
  return false;
}

/** The shown execution with its state hash; null if none is shown. */
async function readWatched(): Promise<Attempt["watched"]> {
  const rs = engine();
  const at = currentExecution.peek();
  if (rs === null || at.state !== "loaded") return null;
  return { id: at.id, hash: at.execution.stateHash ?? (await readStateHash(rs, at.id)).hash };
}

function KillDialogContent() {
  const durable = session.value.state === "open" && session.value.store.durable;
  const now = burst.value;

  async function start(plan: BurstPlan): Promise<void> {
    // The outcome is shown at the top of the page.
    if (await playBurst(plan)) killDialogOpen.value = false;
  }

  if (session.value.state !== "open") return <p>The engine is not loaded yet.</p>;
  if (!durable)
    return <p>This page keeps everything in memory only, so nothing would be left after a kill.</p>;
  if (isRunning(now)) return <BurstProgress />;
  return (
    <>
      <p>
        A program asks questions, and an engine in a worker answers them as fast as it can save. In the middle of a save
        the worker is terminated: nothing is closed, nothing is finished.
      </p>
      <p>
        The page records every acknowledged answer and compares afterwards: all of them must be stored, none twice, and
        the execution that you are viewing must not have changed.
      </p>
      <div class="dialog-actions">
        <button
          type="button"
          class="danger solid"
          onClick={() => void start(randomPlan())}
          data-testid="kill-now"
        >
          Kill the engine
        </button>
      </div>
      <h3>Do it yourself</h3>
      <p>Start saving, which takes about twenty seconds. Kill the whole tab in that time:</p>
      <ul class="kill-instructions">
        <li>Close the tab, or the browser.</li>
        <li>
          Chrome and Edge: <kbd>Shift</kbd> <kbd>Esc</kbd>, choose this tab, End process. Firefox: <code>about:processes</code>.
        </li>
        <li>
          End the browser in the task manager, or with <code>kill -9</code>.
        </li>
      </ul>
      <p>Then open this page again. Its first line shows how many answers are stored.</p>
      <div class="dialog-actions">
        <button type="button" onClick={() => void start(LONG_PLAN)} data-testid="kill-yourself">
          Start saving
        </button>
      </div>
    </>
  );
}

function BurstProgress() {
  const now = burst.value;
  const kill = killNow.value;
  const isYours = now.at === "answering" && now.plan.killAfter === null;
  return (
    <>
      <p class="burst" data-testid="burst">
        <span class="burst-count">{"saved" in now ? now.saved : 0}</span> answers saved.{" "}
        {isYours ? "Kill this tab now, and open the page again." : now.at === "killed" ? "Killed." : ""}
      </p>
      {isYours && kill !== null ? (
        <div class="dialog-actions">
          <button type="button" class="danger" onClick={kill} data-testid="kill-for-me">
            Kill the engine instead
          </button>
        </div>
      ) : null}
    </>
  );
}
