// A native modal dialog. It keeps the focus, closes with its button or Escape, and then restores the focus.

import { useSignalEffect, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";

export interface DialogProps {
  open: Signal<boolean>;
  title: string;
  testid: string;
  children: ComponentChildren;
}

export function Dialog({ open, title, testid, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();

  useSignalEffect(() => {
    const dialog = element.current;
    if (dialog === null) return;
    if (open.value && !dialog.open) dialog.showModal();
    if (!open.value && dialog.open) dialog.close();
  });

  function handleClick(event: MouseEvent): void {
    // A click on the backdrop has the dialog itself as its target.
    if (event.target === element.current) open.value = false;
  }

  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onClose={() => (open.value = false)}
      onClick={handleClick}
      data-testid={testid}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={id}>{title}</h2>
          <button
            type="button"
            class="quiet icon"
            aria-label="Close"
            onClick={() => (open.value = false)}
            data-testid="close-dialog"
          >
            ✕
          </button>
        </div>
        {open.value ? children : null}
      </div>
    </dialog>
  );
}
