// The open questions of an execution. One card each; what is typed is kept at every key stroke, so that neither a reload nor another
// tab's answer costs a word.

import { useRef } from "preact/hooks";
import type { ExecutionView as Execution, OpenCall } from "runstate";

import { count } from "../ui/words";
import { Card } from "./card";
import { useFocusKept } from "./focus";

/** Cards that are drawn at once; the others follow as these are answered. */
const DRAWN = 30;

export function Questions({ execution, onLine }: { execution: Execution; onLine(line: number): void }) {
  const region = useRef<HTMLElement>(null);
  const { calls, status } = execution;
  useFocusKept(region, calls);
  if (calls.length === 0) return null;
  const byKeys = calls.find(({ choices }) => choices !== null);
  return (
    <section class="questions" aria-labelledby="questions-title" data-testid="questions" ref={region} tabIndex={-1}>
      <h3 id="questions-title">
        {status === "paused" ? "It rests at " : "It stopped at "}
        {what(calls)}
        <span class="aside">
          {calls.every(({ kind }) => kind === "timer") ? "" : " and waits for you: for seconds, or for months"}
        </span>
      </h3>
      <ol class={`cards ${calls.length > 2 ? "many" : ""}`}>
        {calls.slice(0, DRAWN).map((call) => (
          <li key={call.callId}>
            <Card execution={execution} call={call} first={call === byKeys} onLine={onLine} />
          </li>
        ))}
      </ol>
      {calls.length > DRAWN ? <p class="empty">{calls.length - DRAWN} more follow.</p> : null}
    </section>
  );
}

function what(calls: OpenCall[]): string {
  const things = new Set(
    calls.map(({ kind }) => (kind === "cc" ? "question" : kind === "timer" ? "timer" : "tool call")),
  );
  const thing = things.size === 1 ? [...things].join() : "call";
  return calls.length === 1 ? `a ${thing}` : count(calls.length, thing);
}
