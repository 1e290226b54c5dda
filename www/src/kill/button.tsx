// The button that kills this tab, and the words before it does.

import { signal, useSignal } from "@preact/signals";

import { engine, session } from "../engine/session";
import { tellError } from "../state/notices";
import { hashed, watched } from "../run/watched";
import { Dialog } from "../ui/dialog";
import { killThisTab, QUESTIONS, type Progress } from "./burst";

/** Whether the question is asked; a key asks it too. */
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
        Kill this tab
      </button>
      <Dialog open={asked} title="Kill this tab" testid="kill-dialog">
        <Words />
      </Dialog>
    </>
  );
}

function Words() {
  const progress = useSignal<Progress | null>(null);
  const durable = session.value.state === "open" && session.value.store.durable;

  async function kill(): Promise<void> {
    const rs = engine();
    if (rs === null || progress.value !== null) return;
    progress.value = { acknowledged: 0, of: 0 };
    const at = watched.peek();
    try {
      const shown = at.state === "there" ? { id: at.id, hash: at.execution.stateHash ?? (await hashed(rs, at.id)).hash } : null;
      await killThisTab(rs, shown, (now) => (progress.value = now));
    } catch (error) {
      progress.value = null;
      tellError(error);
    }
  }

  if (!durable)
    return <p>The store is in memory, so all of it would be gone with the tab. That is what a store is for.</p>;
  const now = progress.value;
  if (now !== null) {
    return (
      <p class="burst" data-testid="burst">
        <span class="burst-count">{now.acknowledged}</span> answers acknowledged. Any moment now …
      </p>
    );
  }
  return (
    <>
      <p>
        A program asks {QUESTIONS} questions, answered as fast as the store commits. Somewhere in the middle this
        document is torn down, with commits under way: nothing is saved before, nothing is closed, nobody says goodbye.
      </p>
      <p>
        Each answer that was acknowledged is written down elsewhere. When the page comes back it holds the store to that
        list: all there, none twice, and what you look at now exactly as it was.
      </p>
      <div class="dialog-actions">
        <button type="button" onClick={() => (asked.value = false)}>
          Let it live
        </button>
        <button type="button" class="danger solid" onClick={() => void kill()} data-testid="kill-now" autofocus>
          Kill it
        </button>
      </div>
    </>
  );
}
