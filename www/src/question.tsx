// The open calls of an execution, one card each: its question, its deadline, and the input for the answer. A call of a
// tool may await an approval. Timers have only a time.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Execution, Json, CallView, Run } from "runstate/full";

import { simplifySchema } from "../../pkg/src/schema-form.ts";
import { Button, now, useCommand } from "./controls";
import { choicesOf, describeBounds, fieldKind, isNullable, memberOf, membersOf, parseDraft, toSchema, type Draft } from "./draft";
import { engine } from "./engine";
import { formatCount, formatRelative, formatValue, joinTexts, titleOf } from "./format";
import { explain, hasCode, notify } from "./notices";
import { revealLine } from "./source";
import { tabName, texts } from "./state";

/** The maximum number of shown cards. The others follow as these are answered. */
const MAX_CARDS = 30;

export function Questions({ execution: { id, calls, status } }: { execution: Execution }) {
  if (calls.length === 0) return null;
  const nouns = new Set(calls.map(nounOf));
  const [noun = ""] = nouns.size === 1 ? nouns : ["call"];
  return (
    <section class="stack waits" aria-labelledby="questions-title" data-testid="questions">
      <h3 id="questions-title">
        {status === "paused" ? "Paused at " : "Stopped at "}
        {calls.length === 1 ? `a ${noun}` : formatCount(calls.length, noun)}
        {noun !== "timer" && <span class="hint"> and waits for you, for seconds or for months</span>}
      </h3>
      <ol class={`cards stack ${calls.length > 2 ? "many" : ""}`}>
        {calls.slice(0, MAX_CARDS).map((call) => (
          <li key={call.id}><Card execution={id} call={call} /></li>
        ))}
      </ol>
      {calls.length > MAX_CARDS && <p class="hint">{calls.length - MAX_CARDS} more follow.</p>}
    </section>
  );
}

function nounOf({ kind, waitsFor }: CallView): string {
  if (kind === "cc") return "question";
  if (kind === "timer") return "timer";
  return waitsFor === "approval" ? "call to approve" : "tool call";
}

function Card({ execution, call }: { execution: string; call: CallView }) {
  const wrong = useSignal("");
  const { busy, run } = useCommand(showError);
  const { id: callId, kind, line, key, claim, args, deadline, choices, stack } = call;
  const id = `q-${callId}`;

  function decide(act: (run: Run) => Promise<unknown>): void {
    wrong.value = "";
    void run(async () => {
      await act(await engine().run(execution));
      texts.write(draftName(call), null);
    });
  }

  const answer = (value: Json) => decide((handle) => handle.answer(value, { call: callId, by: tabName }));

  function showError(error: unknown): void {
    const { title, text } = explain(error);
    // The card of a decided call is removed, so the error is shown as a toast.
    if (document.getElementById(id) && !hasCode(error, "already_answered", "already_approved")) wrong.value = text;
    else notify(title, text);
  }

  return (
    <article class="card waits" aria-labelledby={id} data-testid="question" data-call={callId} aria-busy={busy}>
      <header>
        <h4 id={id} data-testid="prompt">{titleOf(call)}</h4>
        <p class="bar hint">
          <Button class="link" onClick={() => revealLine(line)}>line {line}</Button>
          {key !== null && <span>key {key}</span>}
          {claim?.owner != null && <span>claimed by {claim.owner}</span>}
          {deadline !== null && <Deadline at={deadline} call={call} />}
        </p>
      </header>
      {stack.length > 0 && <pre class="hint" aria-label="Waiting functions" data-testid="stack">{stack.join("\n")}</pre>}
      {args !== null && <pre class="scroll" tabIndex={0}>{JSON.stringify(args, null, 2)}</pre>}
      {call.waitsFor === "approval" ? (
        <ApprovalForm call={call} busy={busy} onDecide={decide} />
      ) : choices !== null ? (
        <div class="bar" role="group" aria-label="Answers">
          {choices.map((choice, index) => (
            <Button key={index} class="choice" busy={busy} onClick={() => answer(choice)} testid="choice">{formatValue(choice) || "(empty)"}</Button>
          ))}
        </div>
      ) : (
        kind !== "timer" && <AnswerForm call={call} busy={busy} onAnswer={answer} />
      )}
      <p class="wrong" role="alert" data-testid="answer-error">{wrong.value}</p>
    </article>
  );
}

/** The time until the deadline of a call, and what happens then. */
function Deadline({ at, call }: { at: number; call: CallView }) {
  const expiry = call.default === undefined ? "the deadline passes" : `the answer is “${formatValue(call.default)}”`;
  const time = at > now.value ? formatRelative(at, now.value) : "now";
  return (
    <span title={new Date(at).toLocaleString()} data-testid="deadline">
      {call.kind === "timer" ? `continues by itself ${time}` : `${time} ${expiry}`}
    </span>
  );
}

const draftName = ({ id }: CallView) => `draft.${id}`;

interface ApprovalFormProps {
  call: CallView;
  busy: boolean;
  onDecide(act: (run: Run) => Promise<unknown>): void;
}

/** The decision on a call of a tool, with a note: the program gets it as the reason of a rejection. */
function ApprovalForm({ call, busy, onDecide }: ApprovalFormProps) {
  const note = useSignal(texts.read<string>(draftName(call)) ?? "");
  const hasNote = note.value !== "";
  const by = tabName;
  const approve = (run: Run) => run.approve(call.id, { by, ...(hasNote && { note: note.value }) });
  const reject = (run: Run) => run.reject(call.id, { by, ...(hasNote && { reason: note.value }) });

  function handleNote({ currentTarget }: { currentTarget: HTMLInputElement }): void {
    note.value = currentTarget.value;
    texts.write(draftName(call), note.value);
  }

  return (
    <div class="bar" role="group" aria-label="Decision">
      <Button class="primary" busy={busy} onClick={() => onDecide(approve)} testid="approve">Approve</Button>
      <Button class="danger" busy={busy} onClick={() => onDecide(reject)} testid="reject">Reject</Button>
      <input class="note" value={note.value} onInput={handleNote} placeholder="A note, if you like" aria-label="Note" data-testid="note" />
    </div>
  );
}

interface AnswerFormProps {
  call: CallView;
  busy: boolean;
  onAnswer(value: Json): void;
}

/** The form for an answer: a text field, or inputs for each part of a schema. Every key stroke is stored, so that a
 * reload loses no typed text. */
function AnswerForm({ call, busy, onAnswer }: AnswerFormProps) {
  const draft = useSignal<Draft>(texts.read<Draft>(draftName(call)) ?? "");
  const id = `f-${call.id}`;
  // The result of a tool is a JSON value, not a text.
  const isText = call.schema === null && call.kind === "cc";
  const schema = useMemo(() => simplifySchema(isText ? { type: "string" } : call.schema) as Json, [call.id]);

  function handleDraft(next: Draft): void {
    draft.value = next;
    texts.write(draftName(call), next);
  }

  function send(event: Event): void {
    event.preventDefault();
    const parsed = parseDraft(schema, draft.value, id, "This");
    if ("value" in parsed) return onAnswer(parsed.value);
    // The browser shows the message at the input and moves the focus there.
    const input = document.getElementById(parsed.at) as HTMLInputElement | null;
    input?.setCustomValidity(parsed.wrong);
    input?.reportValidity();
  }

  return (
    <form class={isText ? "text-form" : "stack"} onSubmit={send} noValidate>
      {isText ? (
        <textarea
          rows={Math.min(8, String(draft.value).split("\n").length + 1)}
          aria-labelledby={`q-${call.id}`}
          placeholder="Your answer. Enter sends it, Shift+Enter starts a new line."
          value={String(draft.value)}
          onInput={(event) => handleDraft(event.currentTarget.value)}
          // An Enter that ends a composition (Japanese, Chinese) must not send the answer.
          onKeyDown={(event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && send(event)}
          data-testid="text-answer"
        />
      ) : (
        <Field schema={schema} draft={draft.value} id={id} label="Your answer" required={true} onDraft={handleDraft} />
      )}
      <Button type="submit" class="primary" busy={busy} testid="send">Answer</Button>
    </form>
  );
}

interface FieldProps {
  schema: Json;
  draft: Draft;
  /** The id of the input. The ids of nested inputs begin with it. */
  id: string;
  label: string;
  required: boolean;
  onDraft(draft: Draft): void;
}

const KIND_HINTS: Record<string, string> = { json: "JSON", lines: "one per line" };

/** The input for a schema, with the inputs of its parts. */
function Field({ schema, draft, id, label, required, onDraft }: FieldProps) {
  const kind = fieldKind(schema);
  const { description = "", const: value = null, maxLength = 0 } = toSchema(schema);
  const hint = joinTexts(", ", required ? (isNullable(schema) ? "empty for null" : "") : "optional", KIND_HINTS[kind] ?? "", describeBounds(schema));
  const caption = [joinTexts(": ", label, String(description)), " ", <span class="hint">{hint}</span>];

  if (kind === "fixed") return <p>{label} <code>{formatValue(value)}</code></p>;
  if (kind === "object") {
    return (
      <fieldset class="stack">
        <legend>{caption}</legend>
        {membersOf(schema).map(({ name, ...member }) => (
          <Field
            key={name}
            {...member}
            draft={memberOf(draft, name)}
            id={`${id}.${name}`}
            label={name}
            onDraft={(part) => onDraft({ ...(typeof draft === "object" ? draft : {}), [name]: part })}
          />
        ))}
      </fieldset>
    );
  }
  const input = {
    id,
    value: typeof draft === "string" ? draft : "",
    "aria-required": required && !isNullable(schema),
    "data-testid": "field",
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement }) => {
      currentTarget.setCustomValidity("");
      onDraft(currentTarget.value);
    },
  };
  return (
    <label>
      {caption}
      {kind === "choice" ? (
        <select {...input}>
          <option value="">Choose…</option>
          {choicesOf(schema).map(([name]) => <option>{name}</option>)}
        </select>
      ) : kind in KIND_HINTS || Number(maxLength) >= 120 ? (
        <textarea {...input} rows={3} />
      ) : (
        <input {...input} type="text" inputMode={kind === "text" ? "text" : "decimal"} autocomplete="off" />
      )}
    </label>
  );
}
