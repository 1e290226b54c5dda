// One open call: its question, its deadline, and the input for the answer: buttons for choices, a form for a schema, otherwise a text field. Timers
// have only a time.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Json, OpenCall } from "runstate";

import { explain, hasCode } from "../engine/errors";
import { engine, tabName } from "../engine/session";
import { announce, notify } from "../state/notices";
import { tabStorage } from "../state/web-storage";
import { Button } from "../ui/controls";
import { formatDateTime, formatDuration, formatTime, formatValue, joinSentences, now } from "../ui/format";
import { useCommand } from "../ui/hooks";
import { SchemaForm } from "./form";

interface CardProps {
  /** The id of the execution. */
  execution: string;
  call: OpenCall;
  /** Whether it is the first call with choices, which the number keys answer. */
  first: boolean;
  onLine(line: number): void;
}

/** The properties of all inputs for answers. */
export interface AnswerProps {
  call: OpenCall;
  busy: boolean;
  /** The id of the element with the error; undefined if there is none. */
  wrong: string | undefined;
  onAnswer(value: Json): void;
  onWrong(message: string): void;
}

export function Card({ execution, call, first, onLine }: CardProps) {
  const wrong = useSignal("");
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  const { busy, run } = useCommand(showError);
  const { callId, kind, line, key, owner, args, deadline, choices, schema } = call;
  const id = `q-${callId}`;

  function answer(value: Json): void {
    wrong.value = "";
    void run(async () => {
      const handle = await engine().cvm.run(execution);
      await handle.answer(value, { call: callId, by: tabName });
      tabStorage.remove(`draft.${callId}`);
    });
  }

  function showError(error: unknown): void {
    const { title, message, advice } = explain(error);
    const text = joinSentences(`${title}: ${message}`, advice);
    // The card of an answered question is removed, so the error is shown as a toast.
    if (mounted.current && !hasCode(error, "already_answered")) wrong.value = text;
    else notify(title, joinSentences(message, advice));
    announce(text);
  }

  const props: AnswerProps = {
    call,
    busy,
    wrong: wrong.value === "" ? undefined : `${id}-wrong`,
    onAnswer: answer,
    onWrong: (message) => (wrong.value = message),
  };
  return (
    <article
      class="card waits"
      aria-labelledby={`${id}-title`}
      data-testid="question"
      data-call={callId}
      aria-busy={busy}
    >
      <header>
        <h4 id={`${id}-title`} data-testid="prompt">
          {titleOf(call)}
        </h4>
        <p class="bar hint">
          <Button class="link" onClick={() => onLine(line)}>
            line {line}
          </Button>
          {key !== null && <span>key {key}</span>}
          {owner !== null && <span>claimed by {owner}</span>}
          {deadline !== null && <Deadline at={deadline} call={call} />}
        </p>
      </header>
      {args !== null && <pre class="scroll">{JSON.stringify(args, null, 2)}</pre>}
      {kind === "timer" ? null : choices !== null ? (
        <ChoiceButtons {...props} choices={choices} numbered={first} />
      ) : schema !== null || kind !== "cc" ? (
        // The result of a tool is a JSON value, not a text.
        <SchemaForm {...props} />
      ) : (
        <TextForm {...props} />
      )}
      <p class="wrong" id={`${id}-wrong`} role="alert" data-testid="answer-error">
        {wrong.value}
      </p>
    </article>
  );
}

function titleOf({ kind, prompt, args, deadline }: OpenCall): string {
  if (kind === "timer") return deadline === null ? "Sleeping" : `Sleeping until ${formatTime(deadline)}`;
  if (kind === "cc") return prompt;
  return prompt === "" ? `Tool ${kind}${args === null ? "" : "(…)"}` : `${kind}: ${formatValue(prompt)}`;
}

/** The time until the deadline of a call, and what happens then. */
function Deadline({ at, call }: { at: number; call: OpenCall }) {
  const remaining = at - now.value;
  const time = remaining > 0 ? `in ${formatDuration(Math.ceil(remaining / 1_000) * 1_000)}` : "now";
  const expiry = call.default === undefined ? "the deadline passes" : `the answer is “${formatValue(call.default)}”`;
  return (
    <span class={remaining < 60_000 ? "urgent" : ""} title={formatDateTime(at)} data-testid="deadline">
      {call.kind === "timer" ? `continues by itself ${time}` : `${time} ${expiry}`}
    </span>
  );
}

/** A button for each choice. The number keys press the buttons of the first open question with choices. */
function ChoiceButtons({ choices, numbered, busy, wrong, onAnswer }: AnswerProps & { choices: Json[]; numbered: boolean }) {
  return (
    <div class="bar" role="group" aria-label="Answers" aria-describedby={wrong}>
      {choices.map((choice, index) => {
        const number = numbered && index < 9 ? String(index + 1) : undefined;
        return (
          <Button key={index} class="choice" busy={busy} onClick={() => onAnswer(choice)} testid="choice" data-number={number}>
            {formatValue(choice) || "(empty)"}
            {number && <kbd aria-hidden="true">{number}</kbd>}
          </Button>
        );
      })}
    </div>
  );
}

/** A text field, for questions without a schema. */
function TextForm({ call, busy, wrong, onAnswer }: AnswerProps) {
  const name = `draft.${call.callId}`;
  const text = useSignal(String(tabStorage.json(name) ?? ""));

  function handleInput(value: string): void {
    text.value = value;
    tabStorage.set(name, JSON.stringify(value));
  }

  function send(event: Event): void {
    event.preventDefault();
    onAnswer(text.value);
  }

  function handleKeyDown(event: KeyboardEvent): void {
    // An Enter that ends a composition (Japanese, Chinese) must not send the answer.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  }

  return (
    <form class="text-form" onSubmit={send}>
      <textarea
        rows={Math.min(8, text.value.split("\n").length + 1)}
        aria-labelledby={`q-${call.callId}-title`}
        aria-describedby={wrong}
        aria-invalid={wrong !== undefined}
        placeholder="Your answer. Enter sends it, Shift+Enter starts a new line."
        value={text.value}
        onInput={(event) => handleInput(event.currentTarget.value)}
        onKeyDown={handleKeyDown}
        data-testid="text-answer"
      />
      <Button type="submit" class="primary" busy={busy} testid="send">
        Answer
      </Button>
    </form>
  );
}
