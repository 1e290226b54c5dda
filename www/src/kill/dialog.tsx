// The dialog that kills the engine. It also says how visitors kill the tab themselves.

import { signal } from "@preact/signals";

import { engine, isDurable, store } from "../engine/session";
import { currentExecution, readStateHash } from "../run/current-execution";
import { notify, notifyError } from "../state/notices";
import { Button, Dialog } from "../ui/controls";
import { burst, isRunning, killNow, LONG_PLAN, randomPlan, runBurst, type BurstPlan } from "./burst";

/** Whether the dialog is open. */
export const killDialogOpen = signal(false);

/** Runs a burst, which must leave the shown execution unchanged. The outcome is shown at the top of the page, so the dialog is closed. */
export async function playBurst(plan: BurstPlan): Promise<void> {
  if (isRunning(burst.peek())) return;
  try {
    const rs = engine();
    const shown = currentExecution.peek();
    const execution = shown.state === "loaded" ? shown.execution : null;
    const hash = execution && (execution.stateHash ?? (await readStateHash(rs, execution.id)).hash);
    await runBurst(rs, plan, execution && { id: execution.id, hash: hash ?? "" });
  } catch (error) {
    return notifyError(error);
  }
  if (burst.peek().at === "proved") killDialogOpen.value = false;
  else notify("All questions are answered", "Nothing was killed this time.");
}

export function KillDialog() {
  return (
    <Dialog open={killDialogOpen} title="Kill the engine in the middle of a save" testid="kill-dialog">
      <KillDialogContent />
    </Dialog>
  );
}

function KillDialogContent() {
  if (store.value === null) return <p>The engine is not loaded yet.</p>;
  if (!isDurable.value) return <p>This page keeps everything in memory only, so nothing would be left after a kill.</p>;
  if (isRunning(burst.value)) return <BurstProgress />;
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
      <div class="bar end">
        <Button class="danger solid" onClick={() => playBurst(randomPlan())} testid="kill-now">
          Kill the engine
        </Button>
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
      <div class="bar end">
        <Button onClick={() => playBurst(LONG_PLAN)} testid="kill-yourself">
          Start saving
        </Button>
      </div>
    </>
  );
}

function BurstProgress() {
  const now = burst.value;
  const isLong = now.at === "answering" && now.plan.killAfter === null;
  return (
    <>
      <p data-testid="burst">
        <span class="burst-count">{now.saved}</span> answers saved.{" "}
        {isLong ? "Kill this tab now, and open the page again." : now.at === "killed" ? "Killed." : ""}
      </p>
      {isLong && killNow.value && (
        <div class="bar end">
          <Button class="danger" onClick={killNow.value} testid="kill-for-me">
            Kill the engine instead
          </Button>
        </div>
      )}
    </>
  );
}
