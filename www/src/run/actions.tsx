// The commands of an execution. Only those that its status allows are shown.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Execution, Run } from "runstate";

import { engine } from "../engine/session";
import { saveExport } from "../page/transfer";
import { notify } from "../state/notices";
import { showEditor } from "../state/route";
import { Button, Dialog } from "../ui/controls";
import { useCommand, useFocusGuard } from "../ui/hooks";

const LABELS = { pause: "Pause", unpause: "Continue", cancel: "Cancel", retry: "Retry" };

/** The commands that each status allows. */
const COMMANDS_BY_STATUS: Record<Execution["status"], (keyof typeof LABELS)[]> = {
  running: ["pause", "cancel"],
  waiting_cc: ["pause", "cancel"],
  paused: ["unpause", "cancel"],
  complete: [],
  error: ["retry"],
  cancelled: [],
};

export function Actions({ execution: { id, status, completed } }: { execution: Execution }) {
  const confirmOpen = useSignal(false);
  const group = useRef<HTMLDivElement>(null);
  const { busy, run } = useCommand();
  useFocusGuard(group, status, "button");

  function command(act: (run: Run) => Promise<unknown>): void {
    void run(async () => act(await engine().cvm.run(id)));
  }

  function remove(): void {
    confirmOpen.value = false;
    command(async (handle) => {
      if (!handle.ended) await handle.cancel();
      await handle.delete();
      showEditor();
      notify("Deleted", `${id} was deleted with its output and calls.`);
    });
  }

  return (
    <div class="bar" role="group" aria-label="Commands of this execution" ref={group}>
      {(COMMANDS_BY_STATUS[status] ?? []).map((name) => (
        <Button
          key={name}
          busy={busy}
          onClick={() => command((handle) => handle[name]())}
          testid={`action-${name}`}
          data-action={name}
        >
          {LABELS[name]}
        </Button>
      ))}
      <Button busy={busy} onClick={() => run(() => saveExport(id))} testid="action-export" data-action="export">
        Export
      </Button>
      <Button class="danger" onClick={() => (confirmOpen.value = true)} testid="action-delete" data-action="delete">
        Delete
      </Button>
      <Dialog open={confirmOpen} title="Delete this execution?" testid="delete-dialog">
        <p>
          {completed === null && "It has not ended, so it is cancelled first. "}
          <strong>{id}</strong> is deleted with its output, its calls and its memory. This cannot be undone. Export it
          first if you are not sure.
        </p>
        <div class="bar end">
          <Button onClick={() => (confirmOpen.value = false)}>Keep it</Button>
          <Button class="danger solid" onClick={remove} testid="confirm-delete">
            Delete
          </Button>
        </div>
      </Dialog>
    </div>
  );
}
