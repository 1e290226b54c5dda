// Exports executions to files and imports them: with a button that picks files, and with the whole page as a drop zone.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { explain } from "../engine/errors";
import { engine } from "../engine/session";
import { notify, notifyError, warn } from "../state/notices";
import { showExecution } from "../state/route";
import { Button } from "../ui/controls";
import { executionsIn } from "./export-file";

/** Saves an execution with its program as a file that any runstate store can import. */
export async function saveExport(execution: string): Promise<void> {
  const file = await engine().export({ execution });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${execution}.runstate.jsonl`;
  link.click();
  // The browser has read the file by then. A URL that is never revoked would keep the file in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  notify("Exported", `${link.download}: drop the file on this page in any browser, or use \`runstate import\`.`);
}

/** Imports files one after the other and shows the first execution of each. */
async function importFiles(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    try {
      await engine().import(file);
    } catch (error) {
      warn(`${file.name} was not imported`, `${explain(error).message}. Nothing was changed.`);
      continue;
    }
    const imported = executionsIn(await file.text());
    const [first] = imported;
    notify("Imported", imported.length === 1 ? first : `${imported.length} executions from ${file.name}`);
    if (first !== undefined) showExecution(first);
  }
}

export function ImportButton() {
  const input = useRef<HTMLInputElement>(null);

  function importPicked({ currentTarget }: { currentTarget: HTMLInputElement }): void {
    importFiles([...(currentTarget.files ?? [])]).catch(notifyError);
    // Reset, so that picking the same file again triggers another change event.
    currentTarget.value = "";
  }

  return (
    <>
      <Button
        onClick={() => input.current?.click()}
        aria-label="Import an execution from a file"
        title="From a file (or drop it on the page)"
        testid="import"
      >
        Import
      </Button>
      <input ref={input} type="file" multiple hidden accept=".jsonl,.json" onChange={importPicked} data-testid="import-file" />
    </>
  );
}

export function DropZone() {
  const over = useSignal(false);

  useEffect(() => {
    // The zone covers the window until the page is left, so the listeners are never removed.
    addEventListener("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files") !== true) return;
      event.preventDefault();
      over.value = true;
    });
    // `relatedTarget` is null only when the pointer leaves the window.
    addEventListener("dragleave", ({ relatedTarget }) => void (relatedTarget === null && (over.value = false)));
    addEventListener("drop", (event) => {
      if (over.value) event.preventDefault();
      over.value = false;
      importFiles([...(event.dataTransfer?.files ?? [])]).catch(notifyError);
    });
  }, []);

  return over.value ? <div class="drop">Drop the file to import it</div> : null;
}
