// One open call: what is asked, by when, and the way to answer: buttons for choices, a form for a schema, text otherwise. Timers have no
// answer, only a time.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { RunstateError, type ExecutionView as Execution, type Json, type OpenCall } from "runstate/slim";

import { engine, tabName } from "../engine/session";
import { explain } from "../engine/errors";
import { speak, tell } from "../state/notices";
import { clock, plain, sentences } from "../ui/words";
import { Buttons } from "./buttons";
import { Deadline } from "./deadline";
import { forget } from "./drafts";
import { SchemaForm, TextForm } from "./forms";

export interface CardProps {
  execution: Execution;
  call: OpenCall;
  /** Whether it is the first of those that have choices, which the number keys answer. */
  first: boolean;
  onLine(line: number): void;
}

/** What the ways to answer have in common. */
export interface AnswerProps {
  call: OpenCall;
  busy: boolean;
  first: boolean;
  /** The id of the words that say what was wrong; empty: nothing. */
  wrong: string;
  onAnswer(value: Json): void;
  onWrong(message: string): void;
}

export function Card({ execution, call, first, onLine }: CardProps) {
  const busy = useSignal(false);
  const wrong = useSignal("");
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const id = `q-${call.callId}`;

  async function answer(value: Json): Promise<void> {
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    wrong.value = "";
    try {
      const run = await rs.cvm.run(execution.id);
      await run.answer(value, { call: call.callId, by: tabName });
      forget(call.callId);
    } catch (error) {
      refused(error);
    } finally {
      busy.value = false;
    }
  }

  function refused(error: unknown): void {
    const { title, what, todo } = explain(error);
    const words = sentences(`${title}: ${what}`, todo);
    // Who is too late finds the card gone, so the page says it elsewhere.
    if (alive.current && !(error instanceof RunstateError && error.code === "already_answered")) wrong.value = words;
    else tell(title, sentences(what, todo));
    speak(words);
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
          {call.owner === null ? null : <span>{call.owner} works on it</span>}
          {call.deadline === null || call.kind === "timer" ? null : <Deadline at={call.deadline} call={call} />}
        </p>
      </header>
      {call.args === null ? null : <pre class="args">{JSON.stringify(call.args, null, 2)}</pre>}
      <Ways
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

function Ways(props: AnswerProps) {
  const { call } = props;
  if (call.kind === "timer") return call.deadline === null ? null : <Deadline at={call.deadline} call={call} />;
  if (call.choices !== null) return <Buttons {...props} choices={call.choices} />;
  // A tool gives a value, not words.
  if (call.schema !== null || call.kind !== "cc") return <SchemaForm {...props} />;
  return <TextForm {...props} />;
}

function titleOf(call: OpenCall): string {
  if (call.kind === "timer") return call.deadline === null ? "It sleeps" : `It sleeps until ${clock(call.deadline)}`;
  if (call.kind === "cc") return call.prompt;
  return call.prompt === ""
    ? `Tool ${call.kind}${call.args === null ? "" : "(…)"}`
    : `${call.kind}: ${plain(call.prompt)}`;
}
