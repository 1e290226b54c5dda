// The open calls of an execution, one card each. Every key stroke is stored, so that neither a reload nor an answer of another tab loses typed text.

import { useRef } from "preact/hooks";
import type { Execution, OpenCall } from "runstate";

import { formatCount } from "../ui/format";
import { Card } from "./card";
import { useQuestionFocus } from "./focus";

/** The maximum number of shown cards. The others follow as these are answered. */
const MAX_CARDS = 30;

export function Questions({ execution, onLine }: { execution: Execution; onLine(line: number): void }) {
  const region = useRef<HTMLElement>(null);
  const { calls, status } = execution;
  useQuestionFocus(region, calls);
  if (calls.length === 0) return null;
  const firstWithChoices = calls.find(({ choices }) => choices !== null);
  return (
    <section class="questions" aria-labelledby="questions-title" data-testid="questions" ref={region} tabIndex={-1}>
      <h3 id="questions-title">
        {status === "paused" ? "Paused at " : "Stopped at "}
        {describeCalls(calls)}
        <span class="aside">
          {calls.every(({ kind }) => kind === "timer") ? "" : " and waits for you, for seconds or for months"}
        </span>
      </h3>
      <ol class={`cards ${calls.length > 2 ? "many" : ""}`}>
        {calls.slice(0, MAX_CARDS).map((call) => (
          <li key={call.callId}>
            <Card execution={execution} call={call} first={call === firstWithChoices} onLine={onLine} />
          </li>
        ))}
      </ol>
      {calls.length > MAX_CARDS ? <p class="empty">{calls.length - MAX_CARDS} more follow.</p> : null}
    </section>
  );
}

function describeCalls(calls: OpenCall[]): string {
  const nouns = new Set(
    calls.map(({ kind }) => (kind === "cc" ? "question" : kind === "timer" ? "timer" : "tool call")),
  );
  const noun = nouns.size === 1 ? [...nouns].join() : "call";
  return calls.length === 1 ? `a ${noun}` : formatCount(calls.length, noun);
}
