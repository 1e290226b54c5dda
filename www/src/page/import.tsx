// Imports executions from files: a button that picks files, and the whole page as a drop zone.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { runOrNotify } from "../state/notices";
import { importFiles } from "./transfer";

export function ImportButton() {
  const input = useRef<HTMLInputElement>(null);

  async function importPicked(): Promise<void> {
    const files = [...(input.current?.files ?? [])];
    // Reset, so that picking the same file again triggers another change event.
    if (input.current !== null) input.current.value = "";
    await runOrNotify(() => importFiles(files));
  }

  return (
    <>
      <button
        type="button"
        class="small"
        onClick={() => input.current?.click()}
        aria-label="Import an execution from a file"
        title="From a file (or drop it on the page)"
        data-testid="import"
      >
        Import
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept=".jsonl,.json"
        onChange={() => void importPicked()}
        data-testid="import-file"
      />
    </>
  );
}

export function DropZone() {
  const over = useSignal(false);

  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const handleDragOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over.value = true;
    };
    const handleDragLeave = (event: DragEvent) => {
      // `relatedTarget` is null only when the pointer leaves the window.
      if (event.relatedTarget === null) over.value = false;
    };
    const handleDrop = (event: DragEvent) => {
      over.value = false;
      if (!hasFiles(event)) return;
      event.preventDefault();
      void runOrNotify(() => importFiles([...(event.dataTransfer?.files ?? [])]));
    };
    addEventListener("dragover", handleDragOver);
    addEventListener("dragleave", handleDragLeave);
    addEventListener("drop", handleDrop);
    return () => {
      removeEventListener("dragover", handleDragOver);
      removeEventListener("dragleave", handleDragLeave);
      removeEventListener("drop", handleDrop);
    };
  }, []);

  return over.value ? <div class="drop">Drop the file to import it</div> : null;
}
