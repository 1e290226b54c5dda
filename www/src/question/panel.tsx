// The open calls of an execution, one card each. Every key stroke is stored, so that neither a reload nor an answer of another tab loses typed text.

import { useRef } from "preact/hooks";
import type { Execution, OpenCall } from "runstate";

import { formatCount } from "../ui/format";
import { useFocusGuard } from "../ui/hooks";
import { Card } from "./card";

/** The maximum number of shown cards. The others follow as these are answered. */
const MAX_CARDS = 30;

/** The controls of a card that take an answer. */
export const ANSWER_CONTROLS = "article :is(input, textarea, select, .choice)";

export function Questions({ execution, onLine }: { execution: Execution; onLine(line: number): void }) {
  const region = useRef<HTMLElement>(null);
  const { id, calls, status } = execution;
  // When a card is answered and removed, the focus moves to the next question, or to the outcome if there is none.
  useFocusGuard(region, calls, ANSWER_CONTROLS, "#outcome");
  if (calls.length === 0) return null;
  const firstWithChoices = calls.find(({ choices }) => choices !== null);
  return (
    <section class="questions stack" aria-labelledby="questions-title" data-testid="questions" ref={region} tabIndex={-1}>
      <h3 id="questions-title">
        {status === "paused" ? "Paused at " : "Stopped at "}
        {describeCalls(calls)}
        <span class="hint">
          {calls.every(({ kind }) => kind === "timer") ? "" : " and waits for you, for seconds or for months"}
        </span>
      </h3>
      <ol class={`cards stack ${calls.length > 2 ? "many" : ""}`}>
        {calls.slice(0, MAX_CARDS).map((call) => (
          <li key={call.callId}>
            <Card execution={id} call={call} first={call === firstWithChoices} onLine={onLine} />
          </li>
        ))}
      </ol>
      {calls.length > MAX_CARDS && <p class="hint">{calls.length - MAX_CARDS} more follow.</p>}
    </section>
  );
}

function describeCalls(calls: OpenCall[]): string {
  const nouns = calls.map(({ kind }) => (kind === "cc" ? "question" : kind === "timer" ? "timer" : "tool call"));
  const noun = new Set(nouns).size === 1 ? (nouns[0] ?? "") : "call";
  return calls.length === 1 ? `a ${noun}` : formatCount(calls.length, noun);
}
