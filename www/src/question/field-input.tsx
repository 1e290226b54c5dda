// The inputs of a form field and of its nested fields.

import type { FormField, FormMember } from "./field";
import { emptyDraft, type FormDraft } from "./draft";
import { formatValue } from "../ui/format";

export interface FieldInputProps {
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

export function FieldInput(props: FieldInputProps) {
  switch (props.field.kind) {
    case "object":
      return <ObjectInput {...props} members={props.field.members} />;
    case "list":
      return <ListInput {...props} field={props.field} />;
    case "yesno":
      return <YesNoInput {...props} />;
    case "choice":
      return <ChoiceInput {...props} values={props.field.values} />;
    case "fixed":
      return (
        <p class="field">
          <span class="label">{props.label}</span> <code>{formatValue(props.field.value)}</code>
        </p>
      );
    default:
      return <TextInput {...props} field={props.field} />;
  }
}

/** The attributes of every input of a single value. */
function inputAttributes({ id, wrong, required }: FieldInputProps, hint: string) {
  const isWrong = wrong !== null && wrong.at === id;
  const by = [hint === "" ? "" : `${id}-hint`, isWrong ? wrong.message : ""].filter((part) => part !== "").join(" ");
  return {
    id,
    "aria-required": required,
    "aria-invalid": isWrong,
    ...(by === "" ? {} : { "aria-describedby": by }),
  };
}

function Label({ id, label, required, hint }: { id: string; label: string; required: boolean; hint: string }) {
  return (
    <>
      <label for={id}>
        {label}
        {required ? "" : <span class="optional"> (optional)</span>}
      </label>
      {hint === "" ? null : (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </>
  );
}

function TextInput(props: FieldInputProps & { field: Extract<FormField, { kind: "text" | "number" | "json" }> }) {
  const { field, draft, id } = props;
  const value = typeof draft === "string" ? draft : "";
  const hint = field.kind === "json" ? ["JSON", field.hint].filter((part) => part !== "").join(": ") : field.hint;
  const common = { ...inputAttributes(props, hint), value, "data-testid": "field" };
  const long = field.kind === "json" || (field.kind === "text" && field.long);
  return (
    <div class="field">
      <Label id={id} label={props.label} required={props.required} hint={hint} />
      {long ? (
        <textarea
          {...common}
          rows={3}
          class={field.kind === "json" ? "code" : ""}
          onInput={(e) => props.onDraft(e.currentTarget.value)}
        />
      ) : (
        <input
          {...common}
          type="text"
          inputMode={field.kind === "number" ? (field.integer ? "numeric" : "decimal") : "text"}
          autocomplete="off"
          onInput={(event) => props.onDraft(event.currentTarget.value)}
        />
      )}
    </div>
  );
}

function YesNoInput(props: FieldInputProps) {
  const { id, label, draft } = props;
  return (
    <fieldset class="field inline" aria-describedby={props.wrong?.at === `${id}-yes` ? props.wrong.message : undefined}>
      <legend>
        {label}
        {props.required ? "" : <span class="optional"> (optional)</span>}
      </legend>
      {(["yes", "no"] as const).map((word) => (
        <label key={word} class="radio">
          <input
            type="radio"
            id={`${id}-${word}`}
            name={id}
            value={word}
            checked={draft === word}
            onChange={() => props.onDraft(word)}
            data-testid="field"
          />
          {word}
        </label>
      ))}
    </fieldset>
  );
}

function ChoiceInput(props: FieldInputProps & { values: Extract<FormField, { kind: "choice" }>["values"] }) {
  return (
    <div class="field">
      <Label id={props.id} label={props.label} required={props.required} hint="" />
      <select
        {...inputAttributes(props, "")}
        value={typeof props.draft === "string" ? props.draft : ""}
        onChange={(event) => props.onDraft(event.currentTarget.value)}
        data-testid="field"
      >
        <option value="">Choose…</option>
        {props.values.map((value, index) => (
          <option key={index} value={String(index)}>
            {formatValue(value)}
          </option>
        ))}
      </select>
    </div>
  );
}

function ObjectInput(props: FieldInputProps & { members: FormMember[] }) {
  const draft = typeof props.draft === "object" && !Array.isArray(props.draft) ? props.draft : {};
  return (
    <fieldset class="fields">
      <legend class={props.label === "" ? "hidden" : ""}>{props.label === "" ? "Your answer" : props.label}</legend>
      {props.members.map(({ name, field, required, description }) => (
        <FieldInput
          key={name}
          field={field}
          draft={draft[name] ?? emptyDraft(field)}
          id={`${props.id}.${name}`}
          label={description === "" ? name : `${name}: ${description}`}
          required={required}
          wrong={props.wrong}
          onDraft={(part) => props.onDraft({ ...draft, [name]: part })}
        />
      ))}
    </fieldset>
  );
}

function ListInput(props: FieldInputProps & { field: Extract<FormField, { kind: "list" }> }) {
  const { field, id } = props;
  const items = Array.isArray(props.draft) ? props.draft : [];
  const noun = props.label === "" ? "item" : props.label;

  function add(): void {
    props.onDraft([...items, emptyDraft(field.item)]);
    requestAnimationFrame(() => document.getElementById(`${id}.${items.length}`)?.focus());
  }

  function remove(index: number): void {
    props.onDraft(items.filter((_, at) => at !== index));
    // Removing the button would lose the focus, so it moves to the previous item.
    requestAnimationFrame(() => document.getElementById(`${id}.${Math.max(0, index - 1)}`)?.focus());
  }

  return (
    <fieldset class="fields list">
      <legend>
        {props.label === "" ? "Your answer" : props.label}
        {field.hint === "" ? "" : <span class="hint"> {field.hint}</span>}
      </legend>
      {items.map((item, index) => (
        <div class="item" key={index}>
          <FieldInput
            field={field.item}
            draft={item}
            id={`${id}.${index}`}
            label={`${index + 1}.`}
            required={true}
            wrong={props.wrong}
            onDraft={(part) => props.onDraft(items.map((old, at) => (at === index ? part : old)))}
          />
          <button type="button" class="quiet" aria-label={`Remove ${noun} ${index + 1}`} onClick={() => remove(index)}>
            ✕
          </button>
        </div>
      ))}
      <button type="button" class="small" disabled={items.length >= field.max} onClick={add} data-testid="add-item">
        Add {props.label === "" ? "an item" : `to ${props.label}`}
      </button>
    </fieldset>
  );
}
