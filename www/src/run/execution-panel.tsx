// The panel of an execution: its status, questions, outcome, source, state, variables, output and calls.

import { useSignal } from "@preact/signals";
import type { Execution } from "runstate";

import { engine, session } from "../engine/session";
import { Questions } from "../question/panel";
import { showEditor } from "../state/route";
import { notify, notifyError, warn } from "../state/notices";
import { StatusPill } from "../ui/status";
import { now } from "../ui/time";
import { formatAge, formatCount, formatDuration, formatDateTime, formatValue } from "../ui/format";
import { Actions } from "./actions";
import { CallStrip } from "./call-strip";
import { Output } from "./output";
import { Source } from "./source";
import { Timeline } from "./timeline";
import { Variables } from "./variables";
import { readStateHash, currentExecution, type CurrentExecution } from "./current-execution";

export function ExecutionPanel() {
  const at = currentExecution.value;
  switch (at.state) {
    case "none":
      return null;
    case "loading":
      return (
        <p class="loading" role="status">
          Reading {at.id} …
        </p>
      );
    case "missing":
      return <ExecutionMissing explanation={at.explanation} id={at.id} />;
    case "loaded":
      return <ExecutionDetails key={at.id} {...at} />;
  }
}

function ExecutionMissing({ id, explanation }: Pick<Extract<CurrentExecution, { state: "missing" }>, "id" | "explanation">) {
  return (
    <div class="trouble" role="alert" data-testid="missing">
      <h2>{explanation.code === "not_found" ? "This execution does not exist" : explanation.title}</h2>
      <p>
        {explanation.code === "not_found"
          ? `${id} was deleted, or it is in the store of another browser.`
          : `${explanation.message}. ${explanation.advice}`}
      </p>
      <button type="button" onClick={showEditor}>
        Run a program
      </button>
    </div>
  );
}

function ExecutionDetails({ execution, calls, source }: Extract<CurrentExecution, { state: "loaded" }>) {
  const reveal = useSignal({ line: 0, request: 0 });
  return (
    <>
      <div class="execution-main">
        <ExecutionHeader execution={execution} />
        <CallStrip execution={execution} calls={calls} />
        <Questions execution={execution} onLine={(line) => (reveal.value = { line, request: reveal.value.request + 1 })} />
        <ExecutionOutcome execution={execution} />
        <Source execution={execution} source={source} reveal={reveal.value} />
      </div>
      <div class="execution-side">
        <StatePanel execution={execution} />
        <Variables execution={execution} />
        <Output lines={execution.output} />
        <Timeline calls={calls} />
      </div>
    </>
  );
}

function ExecutionHeader({ execution }: { execution: Execution }) {
  const { id, programName, programVersion, status, started } = execution;
  return (
    <div class="execution-head">
      <div>
        <h2 data-testid="execution-title">
          {programName} <StatusPill status={status} />
        </h2>
        <p class="facts">
          <code data-testid="execution-id">{id}</code>
          <span>version {programVersion}</span>
          <span title={formatDateTime(started)}>started {formatAge(started, now.value)}</span>
        </p>
      </div>
      <Actions execution={execution} />
    </div>
  );
}

/** The result, or the error of a failed program. */
function ExecutionOutcome({ execution }: { execution: Execution }) {
  const { status, result, error } = execution;
  if (status === "complete") {
    return (
      <section class="end complete" aria-labelledby="end-title" data-testid="result" tabIndex={-1}>
        <h3 id="end-title">Result</h3>
        <pre tabIndex={0}>{typeof result === "object" ? JSON.stringify(result, null, 2) : formatValue(result)}</pre>
      </section>
    );
  }
  if (status !== "error" || error === null) return null;
  return (
    <section class="end error" aria-labelledby="end-title" data-testid="program-error" tabIndex={-1}>
      <h3 id="end-title">
        {error.name} at line {error.line}
      </h3>
      <p>{error.message}</p>
      <p class="hint">The state is saved. Retry continues at the instruction that failed.</p>
    </section>
  );
}

/** The state hash, the time of the last save, and metrics. */
function StatePanel({ execution }: { execution: Execution }) {
  const { lastModified, metrics } = execution;
  const store = session.value.state === "open" ? session.value.store : null;

  return (
    <section class="panel state" aria-labelledby="state-title" data-testid="state">
      <h3 id="state-title">
        State <span class="aside">{store?.durable === false ? "in memory only" : "saved"}</span>
      </h3>
      <StateHash execution={execution} />
      <p class="facts">
        <span title={formatDateTime(lastModified)}>saved {formatAge(lastModified, now.value)}</span>
        <span>{formatCount(metrics.ccCallsCount, "call")}</span>
        <span>{formatCount(metrics.instructionsExecuted, "instruction")}</span>
        {metrics.executionTimeMs > 0 ? <span>running time {formatDuration(metrics.executionTimeMs)}</span> : null}
      </p>
    </section>
  );
}

/** The state hash, with a button that copies it; for a large heap, a button that computes it. */
function StateHash({ execution }: { execution: Execution }) {
  const { id, lastModified, heapPages } = execution;
  const computed = useSignal<{ lastModified: number; hash: string } | null>(null);
  const isHashing = useSignal(false);
  const hash = execution.stateHash ?? (computed.value?.lastModified === lastModified ? computed.value.hash : null);

  async function computeHash(): Promise<void> {
    const rs = engine();
    if (rs === null || isHashing.value) return;
    isHashing.value = true;
    try {
      computed.value = await readStateHash(rs, id);
    } catch (error) {
      notifyError(error);
    } finally {
      isHashing.value = false;
    }
  }

  async function copy(hash: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(hash);
      notify("Copied", "The state hash.");
    } catch {
      warn("Not copied", `The browser does not allow the page to copy. The hash is: ${hash}`);
    }
  }

  if (hash === null) {
    return (
      <p class="hash">
        <button
          type="button"
          class="link"
          disabled={isHashing.value}
          onClick={() => void computeHash()}
          title={`The heap has ${heapPages.toLocaleString("en")} pages. The page does not respond while they are hashed.`}
          data-testid="ask-state-hash"
        >
          {isHashing.value ? "Computing the state hash …" : "Compute the state hash"}
        </button>
      </p>
    );
  }
  return (
    <p class="hash">
      <button
        type="button"
        class="link"
        onClick={() => void copy(hash)}
        title={`${hash}. It is the same wherever this execution is loaded. Press to copy.`}
        data-testid="state-hash"
        data-hash={hash}
      >
        <span class="hidden">State hash </span>
        {hash.slice(0, 8)} {hash.slice(8, 16)} …
      </button>
    </p>
  );
}
