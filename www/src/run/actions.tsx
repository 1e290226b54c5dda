// The commands of an execution. Only those that its status allows are shown.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Execution, Run } from "runstate";

import { engine } from "../engine/session";
import { runOrNotify, notify, notifyError } from "../state/notices";
import { showEditor } from "../state/route";
import { Dialog } from "../ui/dialog";
import { useFocusGuard } from "../ui/focus";
import { saveExport } from "../page/transfer";

type ExecutionCommand = "pause" | "unpause" | "cancel" | "retry";

const LABELS: Record<ExecutionCommand, string> = { pause: "Pause", unpause: "Continue", cancel: "Cancel", retry: "Retry" };

/** The commands that each status allows. */
const COMMANDS_BY_STATUS: Record<Execution["status"], ExecutionCommand[]> = {
  running: ["pause", "cancel"],
  waiting_cc: ["pause", "cancel"],
  paused: ["unpause", "cancel"],
  complete: [],
  error: ["retry"],
  cancelled: [],
};

export function Actions({ execution }: { execution: Execution }) {
  const confirmOpen = useSignal(false);
  const busy = useSignal(false);
  const { id, status } = execution;
  const ended = status === "complete" || status === "error" || status === "cancelled";

  async function command(name: ExecutionCommand): Promise<void> {
    await runCommand(async (run) => void (await run[name]()));
  }

  async function remove(): Promise<void> {
    confirmOpen.value = false;
    await runCommand(async (run) => {
      if (!ended) await run.cancel();
      await run.delete();
      showEditor();
      notify("Deleted", `${id} was deleted with its output and calls.`);
    });
  }

  async function runCommand(act: (run: Run) => Promise<void>): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    try {
      await act(await rs.cvm.run(id));
    } catch (error) {
      notifyError(error);
    } finally {
      busy.value = false;
    }
  }

  const group = useRef<HTMLDivElement>(null);
  useFocusGuard(group, status, () => ({ to: group.current?.querySelector("button") ?? null, waits: false }));

  return (
    <div class="actions" role="group" aria-label="Commands of this execution" ref={group}>
      {(COMMANDS_BY_STATUS[status] ?? []).map((name) => (
        <button
          key={name}
          type="button"
          aria-disabled={busy.value}
          onClick={() => void command(name)}
          data-testid={`action-${name}`}
          data-action={name}
        >
          {LABELS[name]}
        </button>
      ))}
      <button
        type="button"
        onClick={() => void runOrNotify(() => saveExport(id))}
        data-testid="action-export"
        data-action="export"
      >
        Export
      </button>
      <button
        type="button"
        class="danger"
        onClick={() => (confirmOpen.value = true)}
        data-testid="action-delete"
        data-action="delete"
      >
        Delete
      </button>
      <Dialog open={confirmOpen} title="Delete this execution?" testid="delete-dialog">
        <p>
          {ended ? "" : "It has not ended, so it is cancelled first. "}
          <strong>{id}</strong> is deleted with its output, its calls and its memory. This cannot be undone. Export it
          first if you are not sure.
        </p>
        <div class="dialog-actions">
          <button type="button" onClick={() => (confirmOpen.value = false)}>
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
