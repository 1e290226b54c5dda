// An execution, all of it: how it stands, what it asks, where it stopped, what it holds and what it did.

import { useSignal } from "@preact/signals";
import type { ExecutionView as Execution } from "runstate";

import { engine, session } from "../engine/session";
import { Questions } from "../question/panel";
import { showNew } from "../state/route";
import { tell, tellError, warn } from "../state/notices";
import { StatusPill } from "../ui/status";
import { now } from "../ui/time";
import { ago, count, duration, moment, plain } from "../ui/words";
import { Actions } from "./actions";
import { Lifeline } from "./lifeline";
import { Output } from "./output";
import { Source } from "./source";
import { Timeline } from "./timeline";
import { Variables } from "./variables";
import { hashed, watched, type Watched } from "./watched";

export function Stage() {
  const at = watched.value;
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
      return <Missing why={at.why} id={at.id} />;
    case "there":
      return <There key={at.id} {...at} />;
  }
}

function Missing({ id, why }: Pick<Extract<Watched, { state: "missing" }>, "id" | "why">) {
  return (
    <div class="trouble" role="alert" data-testid="missing">
      <h2>{why.code === "not_found" ? "This execution is not there" : why.title}</h2>
      <p>
        {why.code === "not_found"
          ? `${id} was deleted, or it is in the store of another browser.`
          : `${why.what}. ${why.todo}`}
      </p>
      <button type="button" onClick={showNew}>
        Run a program
      </button>
    </div>
  );
}

function There({ execution, calls, source }: Extract<Watched, { state: "there" }>) {
  const reveal = useSignal({ line: 0, wish: 0 });
  return (
    <>
      <div class="stage-main">
        <Head execution={execution} />
        <Lifeline execution={execution} calls={calls} />
        <Questions execution={execution} onLine={(line) => (reveal.value = { line, wish: reveal.value.wish + 1 })} />
        <End execution={execution} />
        <Source execution={execution} source={source} reveal={reveal.value} />
      </div>
      <div class="stage-side">
        <State execution={execution} />
        <Variables execution={execution} />
        <Output lines={execution.output} />
        <Timeline calls={calls} />
      </div>
    </>
  );
}

function Head({ execution }: { execution: Execution }) {
  const { id, programName, programVersion, status, started } = execution;
  return (
    <div class="stage-head">
      <div>
        <h2 data-testid="execution-title">
          {programName} <StatusPill status={status} />
        </h2>
        <p class="facts">
          <code data-testid="execution-id">{id}</code>
          <span>version {programVersion}</span>
          <span title={moment(started)}>started {ago(started, now.value)}</span>
        </p>
      </div>
      <Actions execution={execution} />
    </div>
  );
}

/** What it came to, or why it failed. */
function End({ execution }: { execution: Execution }) {
  const { status, result, error } = execution;
  if (status === "complete") {
    return (
      <section class="end complete" aria-labelledby="end-title" data-testid="result" tabIndex={-1}>
        <h3 id="end-title">It came to its end</h3>
        <pre tabIndex={0}>{typeof result === "object" ? JSON.stringify(result, null, 2) : plain(result)}</pre>
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
      <p class="hint">Its state is kept as it was: Retry goes on at the failing instruction.</p>
    </section>
  );
}

/** The whole state in one number, and where it is kept. */
function State({ execution }: { execution: Execution }) {
  const { lastModified, metrics } = execution;
  const store = session.value.state === "open" ? session.value.store : null;

  return (
    <section class="panel state" aria-labelledby="state-title" data-testid="state">
      <h3 id="state-title">
        Its whole state <span class="aside">{store?.durable === false ? "in memory only" : "is kept"}</span>
      </h3>
      <Hash execution={execution} />
      <p class="facts">
        <span title={moment(lastModified)}>saved {ago(lastModified, now.value)}</span>
        <span>{count(metrics.ccCallsCount, "call")}</span>
        <span>{count(metrics.instructionsExecuted, "instruction")}</span>
        {metrics.executionTimeMs > 0 ? <span>{duration(metrics.executionTimeMs)} of running</span> : null}
      </p>
    </section>
  );
}

/** The state hash, to copy; where the heap is large, to ask for. */
function Hash({ execution }: { execution: Execution }) {
  const { id, lastModified, heapPages } = execution;
  const asked = useSignal<{ lastModified: number; hash: string } | null>(null);
  const asking = useSignal(false);
  const hash = execution.stateHash ?? (asked.value?.lastModified === lastModified ? asked.value.hash : null);

  async function ask(): Promise<void> {
    const rs = engine();
    if (rs === null || asking.value) return;
    asking.value = true;
    try {
      asked.value = await hashed(rs, id);
    } catch (error) {
      tellError(error);
    } finally {
      asking.value = false;
    }
  }

  async function copy(hash: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(hash);
      tell("Copied", "the state hash");
    } catch {
      warn("Not copied", `The browser does not let the page copy. The hash: ${hash}`);
    }
  }

  if (hash === null) {
    return (
      <p class="hash">
        <button
          type="button"
          class="link"
          disabled={asking.value}
          onClick={() => void ask()}
          title={`Its heap has ${heapPages.toLocaleString("en")} pages; the page stands still while they are walked.`}
          data-testid="ask-state-hash"
        >
          {asking.value ? "Hashing its state …" : "Hash its state"}
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
        title={`${hash} — the same wherever this execution is loaded. Press to copy.`}
        data-testid="state-hash"
        data-hash={hash}
      >
        <span class="hidden">State hash </span>
        {hash.slice(0, 8)} {hash.slice(8, 16)} …
      </button>
    </p>
  );
}
