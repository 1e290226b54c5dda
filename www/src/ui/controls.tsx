// Controls and boxes that all parts share.

import { useSignalEffect, type Signal } from "@preact/signals";
import type { ComponentChildren, ComponentProps } from "preact";
import { useId, useRef } from "preact/hooks";

import { formatAge, formatDateTime, now } from "./format";

interface ButtonProps extends ComponentProps<"button"> {
  testid?: string | undefined;
  /** Whether a press has no effect now. The button keeps the focus. */
  busy?: boolean;
}

/** A button. It submits a form only if its `type` says so. */
export function Button({ testid, busy, ...attributes }: ButtonProps) {
  return <button type="button" aria-disabled={busy} data-testid={testid} {...attributes} />;
}

interface PanelProps {
  /** The name of the panel in tests. */
  testid: string;
  title: string;
  /** A remark after the title. */
  aside?: string;
  children: ComponentChildren;
}

/** A part of the page in a box with a title. */
export function Panel({ testid, title, aside = "", children }: PanelProps) {
  const id = useId();
  return (
    <section class="panel" aria-labelledby={id} data-testid={testid}>
      <h3 id={id}>
        {title} <span class="hint">{aside}</span>
      </h3>
      {children}
    </section>
  );
}

/** How long ago something happened. Only this part is rendered again as time passes. */
export function Age({ label, at }: { label: string; at: number }) {
  return (
    <span title={formatDateTime(at)}>
      {label} {formatAge(at, now.value)}
    </span>
  );
}

interface DialogProps {
  open: Signal<boolean>;
  title: string;
  testid: string;
  children: ComponentChildren;
}

/** A native modal dialog. It closes with its button, with Escape, or with a press beside it, and then restores the focus. */
export function Dialog({ open, title, testid, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();

  useSignalEffect(() => {
    if (open.value) element.current?.showModal();
    else element.current?.close();
  });

  return (
    <dialog ref={element} closedby="any" aria-labelledby={id} onClose={() => (open.value = false)} data-testid={testid}>
      <div class="stack">
        <div class="bar apart">
          <h2 id={id}>{title}</h2>
          <Button class="icon" aria-label="Close" onClick={() => (open.value = false)} testid="close-dialog">
            ✕
          </Button>
        </div>
        {open.value ? children : null}
      </div>
    </dialog>
  );
}
