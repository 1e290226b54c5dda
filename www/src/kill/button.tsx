// The button that kills the engine, the words before it does, and how visitors kill the tab themselves.

import { signal } from "@preact/signals";

import { engine, session } from "../engine/session";
import { tell, tellError } from "../state/notices";
import { hashed, watched } from "../run/watched";
import { Dialog } from "../ui/dialog";
import { burst, isRunning, killNow, LONG_PLAN, play, randomPlan, type Plan } from "./burst";
import type { Attempt } from "./ledger";

/** Whether the dialog is open; a key opens it too. */
export const asked = signal(false);

export function KillButton() {
  return (
    <>
      <button
        type="button"
        class="kill"
        onClick={() => (asked.value = true)}
        aria-disabled={session.value.state !== "open"}
        data-testid="kill"
      >
        Kill it
      </button>
      <Dialog open={asked} title="Kill it in the middle of a save" testid="kill-dialog">
        <Words />
      </Dialog>
    </>
  );
}

/** Plays a burst, which must leave the shown execution unchanged. Whether it was played. */
export async function playHere(plan: Plan): Promise<boolean> {
  const rs = engine();
  if (rs === null || isRunning(burst.peek())) return false;
  try {
    await play(rs, plan, await shown());
  } catch (error) {
    tellError(error);
    return false;
  }
  if (burst.peek().at === "proved") return true;
  tell("All questions are answered", "Nothing was killed this time.");
  return false;
}

/** The execution that is looked at, and its state hash; null: none is. */
async function shown(): Promise<Attempt["watched"]> {
  const rs = engine();
  const at = watched.peek();
  if (rs === null || at.state !== "there") return null;
  return { id: at.id, hash: at.execution.stateHash ?? (await hashed(rs, at.id)).hash };
}

function Words() {
  const durable = session.value.state === "open" && session.value.store.durable;
  const now = burst.value;

  async function start(plan: Plan): Promise<void> {
    // The outcome is a line at the top of the page.
    if (await playHere(plan)) asked.value = false;
  }

  if (session.value.state !== "open") return <p>The engine is not there yet.</p>;
  if (!durable)
    return <p>This page keeps everything in memory only, as its address asks: nothing would be left after a kill.</p>;
  if (isRunning(now)) return <Running />;
  return (
    <>
      <p>
        A program asks questions, and an engine in a worker answers them as fast as it can save. In the middle of a save
        the worker is terminated: nothing is closed, nothing is finished.
      </p>
      <p>
        The page writes down each answer that was acknowledged, and then compares: all there, none twice, and the
        execution that you look at exactly as it was.
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
      <p>Let it save for some twenty seconds, and meanwhile kill the whole tab:</p>
      <ul class="ways">
        <li>Close the tab, or the browser.</li>
        <li>
          Chrome and Edge: <kbd>Shift</kbd> <kbd>Esc</kbd>, choose this tab, End process. Firefox: <code>about:processes</code>.
        </li>
        <li>
          End the browser in the task manager, or with <code>kill -9</code>.
        </li>
      </ul>
      <p>Then open this page again: its first line gives the count of answers that are there.</p>
      <div class="dialog-actions">
        <button type="button" onClick={() => void start(LONG_PLAN)} data-testid="kill-yourself">
          Start saving
        </button>
      </div>
    </>
  );
}

function Running() {
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
