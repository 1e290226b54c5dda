// An execution: its status, commands, questions, outcome, source, state, variables, output and calls.

import type { CallView, Execution, Json, Run } from "runstate/full";

import { Age, Button, Panel, useCommand } from "./controls";
import { currentExecution, type CurrentExecution } from "./current";
import { engine, isDurable } from "./engine";
import { saveExport } from "./executions";
import { formatCount, formatDuration, formatValue, joinTexts, statusLabel } from "./format";
import { copy, notify } from "./notices";
import { Questions } from "./question";
import { SourceView } from "./source";
import { showEditor, tabName } from "./state";

export function ExecutionPanel() {
  const current = currentExecution.value;
  if (current.state === "loaded") return <ExecutionDetails key={current.id} {...current} />;
  if (current.state === "loading") return <p class="hint" role="status">Reading {current.id} …</p>;
  return (
    <div class="panel bad" role="alert" data-testid="missing">
      <h2>{current.explanation.title}</h2>
      <p>{current.explanation.text}</p>
      <div><Button onClick={showEditor}>Run a program</Button></div>
    </div>
  );
}

function ExecutionDetails({ execution, calls, source }: Extract<CurrentExecution, { state: "loaded" }>) {
  const { id, programName, programVersion, status, started, lastModified, metrics, error } = execution;
  const lines = [...new Set(execution.calls.map(({ line }) => line))].sort((a, b) => a - b);
  const failed = status === "error" ? (error?.line ?? 0) : 0;
  return (
    <>
      <div class="stack">
        <div class="bar apart">
          <div>
            <h2 data-testid="execution-title">
              {programName}{" "}
              <span class={`pill ${status}`} data-testid="status" data-status={status}>{statusLabel(status)}</span>
            </h2>
            <p class="bar hint">
              <code data-testid="execution-id">{id}</code>
              <span>version {programVersion}</span>
              <Age label="started" at={started} />
              <Age label={isDurable.value ? "saved" : "in memory only, changed"} at={lastModified} />
              <span>{formatCount(metrics.instructionsExecuted, "instruction")}</span>
            </p>
          </div>
          <Actions execution={execution} />
        </div>
        <p class="hidden" aria-live="polite">{statusLabel(status)}. {execution.calls[0]?.prompt}</p>
        <Questions execution={execution} />
        <Outcome execution={execution} />
        <Panel testid="source" title="Source" aside={lines.length === 0 ? "" : `waits at line ${lines.join(", ")}`}>
          {source === null ? (
            <p class="hint">The source of this version is not in the store.</p>
          ) : (
            <SourceView
              source={source}
              label={`Source of ${programName}`}
              line={lines[0] ?? failed}
              classOf={(line) => (line === failed ? "bad" : lines.includes(line) ? "waits" : "")}
            />
          )}
        </Panel>
      </div>
      <div class="stack">
        <Variables execution={execution} />
        <Output lines={execution.output} />
        <Timeline calls={calls} />
      </div>
    </>
  );
}

const LABELS = { pause: "Pause", unpause: "Continue", cancel: "Cancel", retry: "Retry" };

const COMMANDS_BY_STATUS: Record<Execution["status"], (keyof typeof LABELS)[]> = {
  running: ["pause", "cancel"],
  waiting_cc: ["pause", "cancel"],
  paused: ["unpause", "cancel"],
  complete: [],
  error: ["retry"],
  cancelled: [],
};

/** The commands of an execution. Only those that its status allows are shown. */
function Actions({ execution: { id, status, completed } }: { execution: Execution }) {
  const { busy, run } = useCommand();

  function command(act: (run: Run) => Promise<unknown>): void {
    void run(async () => act(await engine().run(id)));
  }

  /** Hashing a large heap blocks the page, so the hash is not always shown. */
  async function copyHash(): Promise<void> {
    const { stateHash } = await (await engine().run(id)).show();
    await copy(stateHash ?? "", "state hash");
  }

  function remove(): void {
    const cancels = completed === null ? "It has not ended, so it is cancelled first. " : "";
    if (!confirm(`Delete ${id} with its output, its calls and its memory? ${cancels}This cannot be undone.`)) return;
    command(async (handle) => {
      if (!handle.ended) await handle.cancel();
      await handle.delete();
      showEditor();
      notify("Deleted", `${id} was deleted with its output and calls.`);
    });
  }

  return (
    <div class="bar" role="group" aria-label="Commands of this execution">
      {(COMMANDS_BY_STATUS[status] ?? []).map((name) => (
        <Button key={name} busy={busy} onClick={() => command((handle) => handle[name]())} testid={`action-${name}`}>{LABELS[name]}</Button>
      ))}
      <Button busy={busy} onClick={() => run(copyHash)} title="Copies it. It is the same in every store" testid="action-hash">State hash</Button>
      <Button busy={busy} onClick={() => run(() => saveExport(id))} testid="action-export">Export</Button>
      <Button class="danger" busy={busy} onClick={remove} testid="action-delete">Delete</Button>
    </div>
  );
}

function Outcome({ execution: { status, result, error } }: { execution: Execution }) {
  if (status === "complete") {
    return (
      <section id="outcome" class="panel complete" aria-label="Result" data-testid="result" tabIndex={-1}>
        <strong>Result</strong>
        <pre class="scroll" tabIndex={0}>{typeof result === "object" ? JSON.stringify(result, null, 2) : formatValue(result)}</pre>
      </section>
    );
  }
  if (status !== "error" || error === null) return null;
  return (
    <section id="outcome" class="panel error" aria-label="Error" data-testid="program-error" tabIndex={-1}>
      <strong>{error.name} at line {error.line}</strong>
      <p>{error.message}</p>
      <p class="hint">The state is saved. Retry continues at the instruction that failed.</p>
    </section>
  );
}

/** The name under which the engine marks that it has omitted variables. */
const CUT_MARKER = "…";

function Variables({ execution: { calls } }: { execution: Execution }) {
  const variables = (calls[0]?.variables ?? {}) as { [name: string]: Json };
  const entries = Object.entries(variables).filter(([name]) => name !== CUT_MARKER);
  const none = calls.length === 0 ? "They are shown while the program waits." : "None are visible at this line.";
  return (
    <Panel testid="variables" title="Variables">
      {entries.length === 0 && <p class="hint">{none}</p>}
      <dl class="rows scroll" tabIndex={0}>
        {entries.map(([name, value]) => (
          <div class="pair" key={name} data-testid="variable" data-name={name}>
            <dt><code>{name}</code></dt>
            <dd><pre>{JSON.stringify(value, null, 2)}</pre></dd>
          </div>
        ))}
      </dl>
      {CUT_MARKER in variables && <p class="hint">Not all variables are shown.</p>}
    </Panel>
  );
}

/** The maximum number of shown lines of output, and of shown calls; the newest are shown. */
const MAX_SHOWN = 1_000;

/** The output of the program. Screen readers announce new lines. The style keeps the view at the end unless the
 * visitor has scrolled up. */
function Output({ lines }: { lines: string[] }) {
  const omitted = Math.max(0, lines.length - MAX_SHOWN);
  return (
    <Panel testid="output" title="Output" aside={lines.length === 0 ? "" : formatCount(lines.length, "line")}>
      <div class="output scroll from-end" role="log" aria-label="Output" tabIndex={0}>
        <pre data-testid="output-lines">
          {lines.length === 0 && <span class="hint">Nothing printed yet.</span>}
          {omitted > 0 && `… ${formatCount(omitted, "line")} above\n`}
          {lines.slice(omitted).join("\n")}
        </pre>
      </div>
    </Panel>
  );
}

const OUTCOMES: Record<string, string> = { answered: "", defaulted: "no answer in time, default", timed_out: "no answer in time" };

/** The calls of an execution in the order in which they were made, with questions, answers, authors and durations. */
function Timeline({ calls }: { calls: CallView[] }) {
  const omitted = Math.max(0, calls.length - MAX_SHOWN);
  return (
    <Panel testid="timeline" title="Calls" aside={calls.length === 0 ? "" : formatCount(calls.length, "call")}>
      {calls.length === 0 && <p class="hint">No calls yet.</p>}
      <div class="scroll from-end" role="group" aria-label="Calls, in the order in which they were made" tabIndex={0}>
        <ol class="rows">
          {omitted > 0 && <li class="hint">… {formatCount(omitted, "call")} above</li>}
          {calls.slice(omitted).map((call) => <TimelineRow key={call.id} call={call} />)}
        </ol>
      </div>
    </Panel>
  );
}

function TimelineRow({ call }: { call: CallView }) {
  const { id, kind, prompt, args, step, outcome, response, error } = call;
  const { result, by, latencyMs } = response ?? {};
  const title = kind === "cc" ? prompt : kind === "timer" ? "sleep" : `${kind}(${formatValue(args ?? undefined)})`;
  const value = result === undefined ? (error?.message ?? "") : formatValue(result);
  const answered = joinTexts(": ", OUTCOMES[outcome ?? ""] ?? outcome ?? "", value);
  const answer = outcome === null ? "waiting" : kind === "timer" && outcome !== "cancelled" ? "elapsed" : answered;
  const took = typeof latencyMs !== "number" ? "" : `after ${formatDuration(latencyMs)}`;
  return (
    <li class={`call ${outcome ?? "open"}`} data-testid="call-row" data-outcome={outcome ?? "open"} data-call={id}>
      <span class="hint">{step ?? "early"}</span>
      <div>
        <p title={title} class="cut">{title}</p>
        <p class="bar apart">
          <strong class="cut" title={answer}>{answer}</strong>
          <span class="hint">{joinTexts(" · ", by === tabName ? "this tab" : (by ?? ""), took)}</span>
        </p>
      </div>
    </li>
  );
}
