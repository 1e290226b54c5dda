// Apps: a small pipeline whose steps this page runs, its executions with their steps, and a plot of their metrics. It
// is read again every second while it is shown, because samples of metrics are in no change feed.

import { effect, signal } from "@preact/signals";
import type { Runstate } from "runstate/full";
import type { AppExecution, ExecutionMetrics, MetricSummary, Step, StepTask } from "runstate/apps";

import { Age, Button, Panel, now, useCommand } from "./controls";
import { engine, makeRefresh, store } from "./engine";
import { formatCount } from "./format";
import { notifyError } from "./notices";
import { Plot, TONES } from "./plot";
import { APPS, hrefOfApp, route, tabName } from "./state";

const APP = 1;

/** Two steps throw darts at the same time. The share that hits the circle is a fourth of π. */
const STEPS = [
  { id: 1, name: "plan" },
  { id: 2, name: "throw_left", depends_on: [1], input: { rounds: "$.steps.1.output.rounds" }, retry: { max_attempts: 5, backoff_ms: 100 } },
  { id: 3, name: "throw_right", depends_on: [1], input: { rounds: "$.steps.1.output.rounds" }, retry: { max_attempts: 5, backoff_ms: 100 } },
  { id: 4, name: "combine", depends_on: [2, 3], input: { left: "$.steps.2.output", right: "$.steps.3.output" } },
  { id: 5, name: "report", depends_on: [4], input: { pi: "$.steps.4.output.pi" } },
];

const [ROUNDS, DARTS, PAUSE_MS] = [60, 2_000, 100];

const handlers = (rs: Runstate) => ({
  plan: () => ({ rounds: ROUNDS }),
  throw_left: (input: { rounds: number }, task: StepTask) => throwDarts(rs, "left", input.rounds, task),
  throw_right: (input: { rounds: number }, task: StepTask) => throwDarts(rs, "right", input.rounds, task),
  combine: ({ left, right }: Record<"left" | "right", { hits: number; darts: number }>) => ({ pi: (4 * (left.hits + right.hits)) / (left.darts + right.darts) }),
  report: async ({ pi }: { pi: number }, { execution, step }: StepTask) => {
    const text = `π is about ${pi}, by ${2 * ROUNDS * DARTS} darts.\n`;
    return { artifact: await rs.apps.artifacts.put(text, { execution, step, type: "report", name: "pi.txt", mimeType: "text/plain" }) };
  },
});

async function throwDarts(rs: Runstate, side: string, rounds: number, { execution, signal }: StepTask) {
  let [hits, darts] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    for (let dart = 0; dart < DARTS; dart++) hits += Math.hypot(Math.random(), Math.random()) < 1 ? 1 : 0;
    darts += DARTS;
    await rs.apps.metrics.record(execution, { metrics: { [side]: (4 * hits) / darts } });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    signal.throwIfAborted();
  }
  return { hits, darts };
}

interface ExecutionDetails {
  id: string;
  steps: Step[];
  samples: ExecutionMetrics[];
  summary: MetricSummary[];
}

const executions = signal<AppExecution[] | null>(null);
const shown = signal<ExecutionDetails | null>(null);

/** Starts a worker when the part is first shown, and reads what it shows. */
export function followApps(rs: Runstate): void {
  let hasWorker = false;
  const refresh = makeRefresh(async () => {
    const { items } = await rs.apps.execution.list({ sort: "startedAt", descending: true, limit: 8 });
    executions.value = items;
    const id = route.peek().app || items[0]?.id;
    shown.value = id === undefined ? null : await readExecution(rs, id);
  });
  effect(() => {
    if (route.value.at !== "apps" || now.value === 0) return;
    // A step whose tab is closed or killed is claimed again after its lease.
    if (!hasWorker) rs.apps.worker(handlers(rs), { owner: tabName, leaseMs: 5_000 }).done.catch(notifyError);
    hasWorker = true;
    refresh();
  });
}

async function readExecution(rs: Runstate, id: string): Promise<ExecutionDetails> {
  const [steps, { items: samples }, summary] = await Promise.all([
    rs.apps.execution.steps(id),
    rs.apps.metrics.list(id, { descending: true, limit: 1_000 }),
    rs.apps.metrics.summary({ executionId: id, hours: 24 * 30, spanSeconds: 3_600 * 24 * 30 }),
  ]);
  return { id, steps, samples: samples.reverse(), summary };
}

async function start(): Promise<void> {
  const rs = engine();
  await rs.apps.configuration.save(APP, { appName: "darts", version: "1", configuration: { steps: STEPS }, activate: true });
  const { id } = await rs.apps.execution.start(APP, { userId: tabName });
  location.hash = hrefOfApp(id);
}

export function AppsPanel() {
  const { busy, run } = useCommand();
  return (
    <div class="stack" data-testid="apps">
      <div class="bar apart">
        <h2>Apps</h2>
        <Button class="primary" busy={busy || store.value === null} onClick={() => run(start)} testid="apps-run">Run the pipeline</Button>
      </div>
      <p class="hint">
        Five steps find π with darts; two of them run at the same time. A worker in this tab runs them. Reload or kill the tab: a step that it
        was running is tried again, and no other.
      </p>
      {executions.value?.length === 0 && <p class="hint">Nothing has run yet.</p>}
      <ul class="rows app-rows" aria-label="Executions of the app, newest first">{executions.value?.map((one) => <ExecutionRow key={one.id} {...one} />)}</ul>
      {shown.value !== null && (
        <div class="app-parts">
          <Panel testid="apps-steps" title="Steps" aside={shown.value.id}>
            <ol class="rows">{shown.value.steps.map((step) => <StepRow key={step.id} {...step} />)}</ol>
          </Panel>
          <Panel testid="apps-metrics" title="Metrics" aside={formatCount(shown.value.samples.length, "sample")}>
            <Metrics key={shown.value.id} {...shown.value} />
          </Panel>
        </div>
      )}
    </div>
  );
}

function ExecutionRow({ id, appName, status, startedAt, progress }: AppExecution) {
  return (
    <li>
      <a class="row" href={hrefOfApp(id)} aria-current={shown.value?.id === id ? "true" : undefined} data-testid="apps-row" data-id={id} data-status={status}>
        <span class={`mark ${status}`} role="img" aria-label={status} title={status} />
        <strong class="cut">{appName}</strong>
        <span class="hint"><Age at={startedAt} /></span>
        <span class="hint cut">{`${status}, ${progress.completed.length} of ${STEPS.length} steps`}</span>
      </a>
    </li>
  );
}

function StepRow({ stepName, status, output, retryCount, error, ...times }: Step) {
  const seconds = "durationMs" in times && times.durationMs !== null ? `, ${(times.durationMs / 1_000).toFixed(1)} s` : "";
  const retries = retryCount > 0 ? `, tried again ${retryCount} times` : "";
  const result = error ?? output;
  return (
    <li class="row" data-testid="apps-step" data-status={status}>
      <span class={`mark ${status}`} aria-hidden="true" />
      <strong class="cut">{stepName}</strong>
      <span class="hint">{status + seconds + retries}</span>
      <code class="cut hint">{result === null ? "" : JSON.stringify(result)}</code>
    </li>
  );
}

/** A plot of all metrics of an execution over time, and their ranges. */
function Metrics({ samples, summary }: ExecutionDetails) {
  const names = summary.map(({ name }) => name);
  const began = samples[0]?.timestamp ?? 0;
  const seconds = samples.map(({ timestamp }) => (timestamp - began) / 1_000);
  const values = names.map((name) => samples.map(({ metrics }) => metrics[name] ?? null));
  const ranges = summary.map(({ name, min, avg, max, p95 }) => ({ name, values: [min, avg, p95, max].map((value) => value.toFixed(3)) }));
  return (
    <>
      <Plot testid="apps-plot" {...{ names, seconds, values }} />
      {ranges.length === 0 ? <p class="hint">The first sample comes with the first darts.</p> : (
        <table class="ranges">
          <thead><tr>{["metric", "min", "mean", "p95", "max"].map((title) => <th key={title}>{title}</th>)}</tr></thead>
          <tbody>{ranges.map(({ name, values }, row) => <tr key={name}><th><span class={`mark ${TONES[row % TONES.length]}`} />{name}</th>{values.map((value, at) => <td key={at}>{value}</td>)}</tr>)}</tbody>
        </table>
      )}
    </>
  );
}

export const AppsLink = () => <a href={APPS} aria-current={route.value.at === "apps" ? "page" : undefined} data-testid="to-apps">Apps</a>;
