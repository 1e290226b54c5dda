// The panel of an execution: its status, questions, outcome, source, state, variables, output and calls.

import { useSignal } from "@preact/signals";
import type { Execution } from "runstate";

import { Questions } from "../question/panel";
import { showEditor } from "../state/route";
import { Age, Button } from "../ui/controls";
import { formatValue, statusLabel } from "../ui/format";
import { Actions } from "./actions";
import { CallStrip, Timeline } from "./calls";
import { currentExecution, type CurrentExecution } from "./current-execution";
import { Output, Source, StatePanel, Variables } from "./details";

export function ExecutionPanel() {
  const at = currentExecution.value;
  switch (at.state) {
    case "none":
      return null;
    case "loading":
      return (
        <p class="hint" role="status">
          Reading {at.id} …
        </p>
      );
    case "missing":
      return <ExecutionMissing {...at} />;
    case "loaded":
      return <ExecutionDetails key={at.id} {...at} />;
  }
}

function ExecutionMissing({ id, explanation }: Extract<CurrentExecution, { state: "missing" }>) {
  const { code, title, message, advice } = explanation;
  return (
    <div class="panel bad" role="alert" data-testid="missing">
      <h2>{code === "not_found" ? "This execution does not exist" : title}</h2>
      <p>{code === "not_found" ? `${id} was deleted, or it is in the store of another browser.` : `${message}. ${advice}`}</p>
      <div>
        <Button onClick={showEditor}>Run a program</Button>
      </div>
    </div>
  );
}

function ExecutionDetails({ execution, calls, source }: Extract<CurrentExecution, { state: "loaded" }>) {
  const reveal = useSignal({ line: 0 });
  const { id, programName, programVersion, status, started } = execution;
  return (
    <>
      <div class="stack">
        <div class="bar apart">
          <div>
            <h2 data-testid="execution-title">
              {programName}{" "}
              <span class={`pill ${status}`} data-testid="status" data-status={status}>
                {statusLabel(status)}
              </span>
            </h2>
            <p class="bar hint">
              <code data-testid="execution-id">{id}</code>
              <span>version {programVersion}</span>
              <Age label="started" at={started} />
            </p>
          </div>
          <Actions execution={execution} />
        </div>
        <CallStrip execution={execution} calls={calls} />
        <Questions execution={execution} onLine={(line) => (reveal.value = { line })} />
        <ExecutionOutcome execution={execution} />
        <Source execution={execution} source={source} reveal={reveal.value} />
      </div>
      <div class="stack">
        <StatePanel execution={execution} />
        <Variables execution={execution} />
        <Output lines={execution.output} />
        <Timeline calls={calls} />
      </div>
    </>
  );
}

/** The result, or the error of a failed program. */
function ExecutionOutcome({ execution: { status, result, error } }: { execution: Execution }) {
  if (status === "complete") {
    return (
      <section id="outcome" class="panel complete" aria-label="Result" data-testid="result" tabIndex={-1}>
        <strong>Result</strong>
        <pre class="scroll" tabIndex={0}>
          {typeof result === "object" ? JSON.stringify(result, null, 2) : formatValue(result)}
        </pre>
      </section>
    );
  }
  if (status !== "error" || error === null) return null;
  return (
    <section id="outcome" class="panel error" aria-label="Error" data-testid="program-error" tabIndex={-1}>
      <strong>
        {error.name} at line {error.line}
      </strong>
      <p>{error.message}</p>
      <p class="hint">The state is saved. Retry continues at the instruction that failed.</p>
    </section>
  );
}
