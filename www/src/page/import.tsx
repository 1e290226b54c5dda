// Importing: a button that picks files, and the whole page as the place to drop them on.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { attempt } from "../state/notices";
import { importFiles } from "./transfer";

export function ImportButton() {
  const input = useRef<HTMLInputElement>(null);

  async function picked(): Promise<void> {
    const files = [...(input.current?.files ?? [])];
    // The same file again is a change again.
    if (input.current !== null) input.current.value = "";
    await attempt(() => importFiles(files));
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
        onChange={() => void picked()}
        data-testid="import-file"
      />
    </>
  );
}

export function DropPlace() {
  const over = useSignal(false);

  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const dragged = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over.value = true;
    };
    const left = (event: DragEvent) => {
      // Only leaving the window has nothing that is entered.
      if (event.relatedTarget === null) over.value = false;
    };
    const dropped = (event: DragEvent) => {
      over.value = false;
      if (!hasFiles(event)) return;
      event.preventDefault();
      void attempt(() => importFiles([...(event.dataTransfer?.files ?? [])]));
    };
    addEventListener("dragover", dragged);
    addEventListener("dragleave", left);
    addEventListener("drop", dropped);
    return () => {
      removeEventListener("dragover", dragged);
      removeEventListener("dragleave", left);
      removeEventListener("drop", dropped);
    };
  }, []);

  return over.value ? <div class="drop">Drop it: the execution goes on here</div> : null;
}
