// The two forms for answers: a text field for questions without a schema, and inputs for each part of a schema.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";

import type { AnswerProps } from "./card";
import { emptyDraft, parseDraft, type FormDraft } from "./draft";
import { loadDraft, saveDraft } from "./drafts";
import { fieldOf, type FormField } from "./field";
import { FieldInput } from "./field-input";

export function TextForm({ call, busy, wrong, onAnswer }: AnswerProps) {
  const stored = loadDraft(call.callId);
  const text = useSignal(typeof stored === "string" ? stored : "");

  function handleInput(value: string): void {
    text.value = value;
    saveDraft(call.callId, value);
  }

  function handleKeyDown(event: KeyboardEvent): void {
    // An Enter that ends a composition (Japanese, Chinese) must not send the answer.
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
        placeholder="Your answer. Enter sends it, Shift+Enter starts a new line."
        value={text.value}
        onInput={(event) => handleInput(event.currentTarget.value)}
        onKeyDown={handleKeyDown}
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
  const draft = useSignal<FormDraft>(useMemo(() => draftForField(field, loadDraft(call.callId)), [call.callId]));
  const at = useSignal("");
  const id = `f-${call.callId}`;

  function handleInput(next: FormDraft): void {
    draft.value = next;
    at.value = "";
    saveDraft(call.callId, next);
  }

  function send(event: Event): void {
    event.preventDefault();
    const parsed = parseDraft(field, draft.value, id, "This");
    if ("value" in parsed) {
      onAnswer(parsed.value);
      return;
    }
    at.value = parsed.at;
    onWrong(parsed.wrong);
    document.getElementById(parsed.at)?.focus();
  }

  return (
    <form class="schema-form" onSubmit={send} noValidate>
      <FieldInput
        field={field}
        draft={draft.value}
        id={id}
        label={field.kind === "object" || field.kind === "list" ? "" : "Your answer"}
        required={true}
        wrong={wrong === "" ? null : { at: at.value, message: wrong }}
        onDraft={handleInput}
      />
      <button type="submit" class="primary" aria-disabled={busy} data-testid="send">
        Answer
      </button>
    </form>
  );
}

/** The stored draft, or an empty one if the stored draft does not have the shape of the field. */
function draftForField(field: FormField, stored: FormDraft | null): FormDraft {
  const empty = emptyDraft(field);
  if (stored === null) return empty;
  const sameShape = typeof stored === typeof empty && Array.isArray(stored) === Array.isArray(empty);
  return sameShape ? stored : empty;
}
