// The state of an execution: hash and metrics, source, variables, output.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Execution, Json } from "runstate";

import { engine, isDurable } from "../engine/session";
import { SourceLines } from "../program/source-lines";
import { copy } from "../state/notices";
import { Age, Button, Panel } from "../ui/controls";
import { formatCount, formatDuration } from "../ui/format";
import { useCommand } from "../ui/hooks";
import { useFollowedEnd } from "../ui/virtual-list";
import { readStateHash } from "./current-execution";

/** The maximum number of shown output lines; the newest are shown. */
const MAX_LINES = 2_000;

/** The name under which the engine marks that it has omitted variables. */
const CUT_MARKER = "…";

/** The length of the summary of a longer value, which can be opened. */
const SHORT_LENGTH = 44;

/** The state hash, the time of the last save, and metrics. */
export function StatePanel({ execution }: { execution: Execution }) {
  const { lastModified, metrics } = execution;
  return (
    <Panel testid="state" title="State" aside={isDurable.value ? "saved" : "in memory only"}>
      <StateHash execution={execution} />
      <p class="bar hint">
        <Age label="saved" at={lastModified} />
        <span>{formatCount(metrics.ccCallsCount, "call")}</span>
        <span>{formatCount(metrics.instructionsExecuted, "instruction")}</span>
        {metrics.executionTimeMs > 0 && <span>running time {formatDuration(metrics.executionTimeMs)}</span>}
      </p>
    </Panel>
  );
}

/** The state hash, with a button that copies it; for a large heap, a button that computes it. */
function StateHash({ execution: { id, lastModified, heapPages, stateHash } }: { execution: Execution }) {
  const computed = useSignal({ lastModified: 0, hash: "" });
  const { busy, run } = useCommand();
  const hash = stateHash ?? (computed.value.lastModified === lastModified ? computed.value.hash : "");
  return (
    <p class="hash">
      {hash === "" ? (
        <Button
          class="link"
          disabled={busy}
          onClick={() => run(async () => (computed.value = await readStateHash(engine(), id)))}
          title={`The heap has ${heapPages.toLocaleString("en")} pages. The page does not respond while they are hashed.`}
          testid="ask-state-hash"
        >
          {busy ? "Computing the state hash …" : "Compute the state hash"}
        </Button>
      ) : (
        <Button
          class="link"
          onClick={() => copy(hash, "state hash")}
          title={`${hash}. It is the same wherever this execution is loaded. Press to copy.`}
          testid="state-hash"
          data-hash={hash}
        >
          <span class="hidden">State hash </span>
          {hash.slice(0, 8)} {hash.slice(8, 16)} …
        </Button>
      )}
    </p>
  );
}

interface SourceProps {
  execution: Execution;
  source: string | null;
  /** A line to scroll to. A new object is a new request. */
  reveal: { line: number };
}

/** The source of an execution. The lines at which it waits are marked. */
export function Source({ execution, source, reveal }: SourceProps) {
  const host = useRef<HTMLDivElement>(null);
  const lines = [...new Set(execution.calls.map(({ line }) => line))].sort((a, b) => a - b);
  const failed = execution.status === "error" ? (execution.error?.line ?? 0) : 0;

  useEffect(() => scrollToCenter(host.current, lines[0] ?? failed), [source, lines.join(), failed]);
  useEffect(() => {
    if (reveal.line === 0) return;
    scrollToCenter(host.current, reveal.line);
    host.current?.scrollIntoView({ block: "nearest" });
  }, [reveal]);

  return (
    <Panel testid="source" title="Source" aside={lines.length === 0 ? "" : `waits at line ${lines.join(", ")}`}>
      {source === null ? (
        <p class="hint">The source of this version is not in the store.</p>
      ) : (
        <div class="source" ref={host} tabIndex={0} role="group" aria-label={`Source of ${execution.programName}`}>
          <SourceLines source={source} classOf={(line) => (line === failed ? "bad" : lines.includes(line) ? "waits" : "")} />
        </div>
      )}
    </Panel>
  );
}

/** Scrolls a line into the middle of its box without scrolling the page. */
function scrollToCenter(box: HTMLElement | null, line: number): void {
  const row = box?.querySelectorAll(".lines > div")[line - 1];
  if (!box || !row) return;
  box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
}

/** The variables of the program at the line where it waits. */
export function Variables({ execution: { calls } }: { execution: Execution }) {
  const variables = (calls[0]?.variables ?? {}) as { [name: string]: Json };
  const entries = Object.entries(variables).filter(([name]) => name !== CUT_MARKER);
  return (
    <Panel testid="variables" title="Variables">
      {entries.length === 0 && (
        <p class="hint">{calls.length === 0 ? "They are shown while the program waits." : "None are visible at this line."}</p>
      )}
      <dl class="pairs">
        {entries.map(([name, value]) => (
          <div key={name} data-testid="variable" data-name={name}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>
              <VariableValue value={value} />
            </dd>
          </div>
        ))}
      </dl>
      {CUT_MARKER in variables && <p class="hint">Not all variables are shown.</p>}
    </Panel>
  );
}

function VariableValue({ value }: { value: Json }) {
  const text = JSON.stringify(value);
  if (text.length <= SHORT_LENGTH) return <code>{text}</code>;
  return (
    <details>
      <summary class="cut">
        <code>{text}</code>
      </summary>
      <pre class="scroll">{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}

/** The output of the program. Screen readers announce new lines. The view follows the end unless the visitor has scrolled up. */
export function Output({ lines }: { lines: string[] }) {
  const frame = useRef<HTMLPreElement>(null);
  const follow = useFollowedEnd(frame, lines.length);
  const omitted = Math.max(0, lines.length - MAX_LINES);
  return (
    <Panel testid="output" title="Output" aside={lines.length === 0 ? "" : formatCount(lines.length, "line")}>
      <pre class="output scroll" ref={frame} onScroll={follow} role="log" aria-label="Output" tabIndex={0} data-testid="output-lines">
        {lines.length === 0 && <span class="hint">Nothing printed yet.</span>}
        {omitted > 0 && `… ${formatCount(omitted, "line")} above\n`}
        {lines.slice(omitted).join("\n")}
      </pre>
    </Panel>
  );
}
