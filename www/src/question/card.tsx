// One open call: its question, its deadline, and the input for the answer: buttons for choices, a form for a schema, otherwise a text field. Timers
// have only a time.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { RunstateError, type Execution, type Json, type OpenCall } from "runstate/slim";

import { engine, tabName } from "../engine/session";
import { explain } from "../engine/errors";
import { announce, notify } from "../state/notices";
import { formatTime, formatValue, joinSentences } from "../ui/format";
import { ChoiceButtons } from "./choice-buttons";
import { Deadline } from "./deadline";
import { deleteDraft } from "./drafts";
import { SchemaForm, TextForm } from "./answer-forms";

export interface CardProps {
  execution: Execution;
  call: OpenCall;
  /** Whether it is the first call with choices, which the number keys answer. */
  first: boolean;
  onLine(line: number): void;
}

/** The properties of all inputs for answers. */
export interface AnswerProps {
  call: OpenCall;
  busy: boolean;
  first: boolean;
  /** The id of the element with the error; empty if there is none. */
  wrong: string;
  onAnswer(value: Json): void;
  onWrong(message: string): void;
}

export function Card({ execution, call, first, onLine }: CardProps) {
  const busy = useSignal(false);
  const wrong = useSignal("");
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  const id = `q-${call.callId}`;

  async function answer(value: Json): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    wrong.value = "";
    try {
      const run = await rs.cvm.run(execution.id);
      await run.answer(value, { call: call.callId, by: tabName });
      deleteDraft(call.callId);
    } catch (error) {
      showError(error);
    } finally {
      busy.value = false;
    }
  }

  function showError(error: unknown): void {
    const { title, message, advice } = explain(error);
    const text = joinSentences(`${title}: ${message}`, advice);
    // The card of an answered question is removed, so the error is shown as a toast.
    if (mounted.current && !(error instanceof RunstateError && error.code === "already_answered")) wrong.value = text;
    else notify(title, joinSentences(message, advice));
    announce(text);
  }

  return (
    <article
      class="card"
      aria-labelledby={`${id}-title`}
      data-testid="question"
      data-call={call.callId}
      aria-busy={busy.value}
    >
      <header>
        <h4 id={`${id}-title`} data-testid="prompt">
          {titleOf(call)}
        </h4>
        <p class="facts">
          <button type="button" class="link" onClick={() => onLine(call.line)}>
            line {call.line}
          </button>
          {call.key === null ? null : <span>key {call.key}</span>}
          {call.owner === null ? null : <span>claimed by {call.owner}</span>}
          {call.deadline === null || call.kind === "timer" ? null : <Deadline at={call.deadline} call={call} />}
        </p>
      </header>
      {call.args === null ? null : <pre class="args">{JSON.stringify(call.args, null, 2)}</pre>}
      <AnswerInput
        call={call}
        busy={busy.value}
        first={first}
        wrong={wrong.value === "" ? "" : `${id}-wrong`}
        onAnswer={(value) => void answer(value)}
        onWrong={(message) => (wrong.value = message)}
      />
      <p class="wrong" id={`${id}-wrong`} role="alert" data-testid="answer-error">
        {wrong.value}
      </p>
    </article>
  );
}

function AnswerInput(props: AnswerProps) {
  const { call } = props;
  if (call.kind === "timer") return call.deadline === null ? null : <Deadline at={call.deadline} call={call} />;
  if (call.choices !== null) return <ChoiceButtons {...props} choices={call.choices} />;
  // The result of a tool is a JSON value, not a text.
  if (call.schema !== null || call.kind !== "cc") return <SchemaForm {...props} />;
  return <TextForm {...props} />;
}

function titleOf(call: OpenCall): string {
  if (call.kind === "timer") return call.deadline === null ? "Sleeping" : `Sleeping until ${formatTime(call.deadline)}`;
  if (call.kind === "cc") return call.prompt;
  return call.prompt === ""
    ? `Tool ${call.kind}${call.args === null ? "" : "(…)"}`
    : `${call.kind}: ${formatValue(call.prompt)}`;
}
