// The two forms: words for a question without a shape, inputs made from the schema for one that has one.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";

import type { AnswerProps } from "./card";
import { emptyOf, meaning, type Draft } from "./draft";
import { draftOf, keep } from "./drafts";
import { fieldOf, type Field } from "./field";
import { Input } from "./form";

export function TextForm({ call, busy, wrong, onAnswer }: AnswerProps) {
  const kept = draftOf(call.callId);
  const text = useSignal(typeof kept === "string" ? kept : "");

  function typed(value: string): void {
    text.value = value;
    keep(call.callId, value);
  }

  function keys(event: KeyboardEvent): void {
    // Enter that ends a composition (Japanese, Chinese) is no wish to send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onAnswer(text.value);
  }

  return (
    <form
      class="text-form"
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer(text.value);
      }}
    >
      <textarea
        rows={Math.min(8, text.value.split("\n").length + 1)}
        aria-labelledby={`q-${call.callId}-title`}
        aria-describedby={wrong === "" ? undefined : wrong}
        aria-invalid={wrong !== ""}
        placeholder="Your answer. Enter sends it, Shift+Enter begins a line."
        value={text.value}
        onInput={(event) => typed(event.currentTarget.value)}
        onKeyDown={keys}
        data-testid="text-answer"
      />
      <button type="submit" class="primary" aria-disabled={busy} data-testid="send">
        Answer
      </button>
    </form>
  );
}

export function SchemaForm({ call, busy, wrong, onAnswer, onWrong }: AnswerProps) {
  const field = useMemo(() => fieldOf(call.schema), [call.callId]);
  const draft = useSignal<Draft>(useMemo(() => fitting(field, draftOf(call.callId)), [call.callId]));
  const at = useSignal("");
  const id = `f-${call.callId}`;

  function typed(next: Draft): void {
    draft.value = next;
    at.value = "";
    keep(call.callId, next);
  }

  function send(event: Event): void {
    event.preventDefault();
    const meant = meaning(field, draft.value, id, "This");
    if ("value" in meant) {
      onAnswer(meant.value);
      return;
    }
    at.value = meant.at;
    onWrong(meant.wrong);
    document.getElementById(meant.at)?.focus();
  }

  return (
    <form class="schema-form" onSubmit={send} noValidate>
      <Input
        field={field}
        draft={draft.value}
        id={id}
        label={field.kind === "object" || field.kind === "list" ? "" : "Your answer"}
        required={true}
        wrong={wrong === "" ? null : { at: at.value, message: wrong }}
        onDraft={typed}
      />
      <button type="submit" class="primary" aria-disabled={busy} data-testid="send">
        Answer
      </button>
    </form>
  );
}

/** A draft that was kept, unless it is of another form than the question's. */
function fitting(field: Field, kept: Draft | null): Draft {
  const empty = emptyOf(field);
  if (kept === null) return empty;
  const sameShape = typeof kept === typeof empty && Array.isArray(kept) === Array.isArray(empty);
  return sameShape ? kept : empty;
}
