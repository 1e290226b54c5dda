// The form for a schema: inputs for each of its parts.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

import { tabStorage } from "../state/web-storage";
import { Button } from "../ui/controls";
import { formatValue, joinTexts } from "../ui/format";
import type { AnswerProps } from "./card";
import { emptyDraft, fitDraft, parseDraft, type FormDraft } from "./draft";
import { fieldOf, type FormField } from "./field";

export function SchemaForm({ call, busy, wrong, onAnswer, onWrong }: AnswerProps) {
  const name = `draft.${call.callId}`;
  const field = useMemo(() => fieldOf(call.schema), [call.callId]);
  const draft = useSignal(fitDraft(field, tabStorage.json(name) as FormDraft | null));
  const at = useSignal("");
  const id = `f-${call.callId}`;

  function handleDraft(next: FormDraft): void {
    draft.value = next;
    at.value = "";
    tabStorage.set(name, JSON.stringify(next));
  }

  function send(event: Event): void {
    event.preventDefault();
    const parsed = parseDraft(field, draft.value, id, "This");
    if ("value" in parsed) return onAnswer(parsed.value);
    at.value = parsed.at;
    onWrong(parsed.wrong);
    document.getElementById(parsed.at)?.focus();
  }

  return (
    <form class="schema-form stack" onSubmit={send} noValidate>
      <FieldInput
        field={field}
        draft={draft.value}
        id={id}
        label={field.kind === "object" ? "" : "Your answer"}
        required={true}
        wrong={wrong === undefined ? null : { at: at.value, message: wrong }}
        onDraft={handleDraft}
      />
      <Button type="submit" class="primary" busy={busy} testid="send">
        Answer
      </Button>
    </form>
  );
}

interface FieldInputProps {
  field: FormField;
  draft: FormDraft;
  /** The id of the input. The ids of nested inputs begin with it. */
  id: string;
  label: string;
  required: boolean;
  /** The id of the invalid input, and the id of the element with the error; null if there is no error. */
  wrong: { at: string; message: string } | null;
  onDraft(draft: FormDraft): void;
}

/** The properties for the input of a field of one kind. */
type InputProps<K extends FormField["kind"], D = string> = Omit<FieldInputProps, "field" | "draft"> & {
  field: Extract<FormField, { kind: K }>;
  draft: D;
};

/** The input for a field, with the inputs of its parts. */
function FieldInput({ field, draft, ...props }: FieldInputProps) {
  const typed = fitDraft(field, draft);
  switch (field.kind) {
    case "object":
      return <ObjectInput {...props} field={field} draft={typed as { [name: string]: FormDraft }} />;
    case "list":
      return <ListInput {...props} field={field} draft={typed as FormDraft[]} />;
    case "yesno":
      return <YesNoInput {...props} field={field} draft={typed as string} />;
    case "fixed":
      return (
        <p>
          {props.label} <code>{formatValue(field.value)}</code>
        </p>
      );
    default:
      return <SingleInput {...props} field={field} draft={typed as string} />;
  }
}

function Caption({ label, required, hint }: { label: string; required: boolean; hint: string }) {
  return (
    <>
      {label} <span class="hint">{joinTexts(", ", required ? "" : "optional", hint)}</span>
    </>
  );
}

function SingleInput({ field, draft, id, label, required, wrong, onDraft }: InputProps<"text" | "number" | "choice" | "json">) {
  const isWrong = wrong?.at === id;
  const hint = field.kind === "choice" ? "" : field.kind === "json" ? joinTexts(": ", "JSON", field.hint) : field.hint;
  const common = {
    id,
    value: draft,
    "aria-required": required,
    "aria-invalid": isWrong,
    "aria-describedby": isWrong ? wrong.message : undefined,
    "data-testid": "field",
    onInput: (event: { currentTarget: { value: string } }) => onDraft(event.currentTarget.value),
  };
  let input: ComponentChildren;
  if (field.kind === "choice") {
    input = (
      <select {...common}>
        <option value="">Choose…</option>
        {field.values.map((value, index) => (
          <option value={String(index)}>{formatValue(value)}</option>
        ))}
      </select>
    );
  } else if (field.kind === "json" || (field.kind === "text" && field.long)) {
    input = <textarea {...common} rows={3} class={field.kind === "json" ? "code" : ""} />;
  } else {
    const inputMode = field.kind === "text" ? "text" : field.integer ? "numeric" : "decimal";
    input = <input {...common} type="text" inputMode={inputMode} autocomplete="off" />;
  }
  return (
    <div>
      <label for={id}>
        <Caption label={label} required={required} hint={hint} />
      </label>
      {input}
    </div>
  );
}

function YesNoInput({ draft, id, label, required, wrong, onDraft }: InputProps<"yesno">) {
  return (
    <fieldset aria-describedby={wrong?.at === `${id}-yes` ? wrong.message : undefined}>
      <legend>
        <Caption label={label} required={required} hint="" />
      </legend>
      {["yes", "no"].map((word) => (
        <label key={word} class="choice-label">
          <input
            type="radio"
            id={`${id}-${word}`}
            name={id}
            value={word}
            checked={draft === word}
            onChange={() => onDraft(word)}
            data-testid="field"
          />
          {word}
        </label>
      ))}
    </fieldset>
  );
}

function ObjectInput({ field, draft, id, label, required, wrong, onDraft }: InputProps<"object", { [name: string]: FormDraft }>) {
  return (
    <fieldset class="stack">
      <legend>
        <Caption label={label} required={required} hint="" />
      </legend>
      {field.members.map(({ name, field: member, required, description }) => (
        <FieldInput
          key={name}
          field={member}
          draft={draft[name] ?? emptyDraft(member)}
          id={`${id}.${name}`}
          label={joinTexts(": ", name, description)}
          required={required}
          wrong={wrong}
          onDraft={(part) => onDraft({ ...draft, [name]: part })}
        />
      ))}
    </fieldset>
  );
}

function ListInput({ field, draft, id, label, required, wrong, onDraft }: InputProps<"list", FormDraft[]>) {
  /** Changes the list and then moves the focus to an item: a removed button would lose it. */
  function change(items: FormDraft[], focused: number): void {
    onDraft(items);
    requestAnimationFrame(() => document.getElementById(`${id}.${Math.max(0, focused)}`)?.focus());
  }

  return (
    <fieldset class="stack">
      <legend>
        <Caption label={label} required={required} hint={field.hint} />
      </legend>
      {draft.map((item, index) => (
        <div class="item" key={index}>
          <FieldInput
            field={field.item}
            draft={item}
            id={`${id}.${index}`}
            label={`${index + 1}.`}
            required={true}
            wrong={wrong}
            onDraft={(part) => onDraft(draft.with(index, part))}
          />
          <Button
            class="icon"
            aria-label={`Remove ${label} ${index + 1}`}
            onClick={() => change(draft.toSpliced(index, 1), index - 1)}
          >
            ✕
          </Button>
        </div>
      ))}
      <Button
        disabled={draft.length >= field.max}
        onClick={() => change([...draft, emptyDraft(field.item)], draft.length)}
        testid="add-item"
      >
        Add an item
      </Button>
    </fieldset>
  );
}
