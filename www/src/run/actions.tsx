// What can be done with an execution as a whole. Only what is possible now is offered.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { ExecutionView as Execution, Run } from "runstate";

import { engine } from "../engine/session";
import { attempt, tell, tellError } from "../state/notices";
import { showNew } from "../state/route";
import { Dialog } from "../ui/dialog";
import { useFocusGuard } from "../ui/focus";
import { saveExport } from "../page/transfer";

type Command = "pause" | "unpause" | "cancel" | "retry";

const WORDS: Record<Command, string> = { pause: "Pause", unpause: "Continue", cancel: "Cancel", retry: "Retry" };

/** Which commands mean something in which status. */
const POSSIBLE: Record<Execution["status"], Command[]> = {
  running: ["pause", "cancel"],
  waiting_cc: ["pause", "cancel"],
  paused: ["unpause", "cancel"],
  complete: [],
  error: ["retry"],
  cancelled: [],
};

export function Actions({ execution }: { execution: Execution }) {
  const asking = useSignal(false);
  const busy = useSignal(false);
  const { id, status } = execution;
  const ended = status === "complete" || status === "error" || status === "cancelled";

  async function command(name: Command): Promise<void> {
    await once(async (run) => void (await run[name]()));
  }

  async function remove(): Promise<void> {
    asking.value = false;
    await once(async (run) => {
      if (!ended) await run.cancel();
      await run.delete();
      showNew();
      tell("Deleted", `${id} and all that belonged to it is gone.`);
    });
  }

  async function once(act: (run: Run) => Promise<void>): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    try {
      await act(await rs.cvm.run(id));
    } catch (error) {
      tellError(error);
    } finally {
      busy.value = false;
    }
  }

  const group = useRef<HTMLDivElement>(null);
  useFocusGuard(group, status, () => ({ to: group.current?.querySelector("button") ?? null, waits: false }));

  return (
    <div class="actions" role="group" aria-label="What to do with this execution" ref={group}>
      {(POSSIBLE[status] ?? []).map((name) => (
        <button
          key={name}
          type="button"
          aria-disabled={busy.value}
          onClick={() => void command(name)}
          data-testid={`action-${name}`}
          data-action={name}
        >
          {WORDS[name]}
        </button>
      ))}
      <button
        type="button"
        onClick={() => void attempt(() => saveExport(id))}
        data-testid="action-export"
        data-action="export"
      >
        Export
      </button>
      <button
        type="button"
        class="danger"
        onClick={() => (asking.value = true)}
        data-testid="action-delete"
        data-action="delete"
      >
        Delete
      </button>
      <Dialog open={asking} title="Delete this execution?" testid="delete-dialog">
        <p>
          {ended ? "" : "It has not come to its end: it is cancelled first. "}
          <strong>{id}</strong> goes with its output, its calls and its memory. That cannot be undone; export it first
          if you are not sure.
        </p>
        <div class="dialog-actions">
          <button type="button" onClick={() => (asking.value = false)}>
            Keep it
          </button>
          <button type="button" class="danger solid" onClick={() => void remove()} data-testid="confirm-delete">
            Delete
          </button>
        </div>
      </Dialog>
    </div>
  );
}
