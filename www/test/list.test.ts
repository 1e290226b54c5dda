// The list of executions: its filters and its updates.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status, ExecutionSummary } from "runstate";

import { NO_FILTER, applyUpdates, filterExecutions, programNames } from "../src/executions/rows";
import { executionsIn } from "../src/page/export-file";

function execution(id: string, started: number, status: Status = "complete", prompt: string | null = null): ExecutionSummary {
  return {
    id,
    started,
    status,
    prompt,
    programName: id.split("-")[0] ?? id,
    programVersion: 1,
    openCalls: 0,
    lastModified: started,
  };
}

const list = [execution("review-b", 2, "waiting_cc", "Ship it?"), execution("triage-a", 1)];
const ids = (list: ExecutionSummary[]) => list.map(({ id }) => id);

test("filters combine", () => {
  assert.deepEqual(ids(filterExecutions(list, NO_FILTER)), ["review-b", "triage-a"]);
  assert.deepEqual(ids(filterExecutions(list, { ...NO_FILTER, status: "complete" })), ["triage-a"]);
  assert.deepEqual(ids(filterExecutions(list, { ...NO_FILTER, words: "SHIP review" })), ["review-b"]);
  assert.deepEqual(ids(filterExecutions(list, { status: "complete", program: "review", words: "" })), []);
  assert.deepEqual(programNames(list), ["review", "triage"]);
});

test("an update keeps positions, inserts by time and removes deleted rows", () => {
  const updated = [execution("triage-a", 1, "error"), execution("new-c", 3)];
  const after = applyUpdates(list, new Map(updated.map((row) => [row.id, row])), new Set(["review-b"]));
  assert.deepEqual(ids(after), ["new-c", "triage-a"]);
  assert.equal(after[1]?.status, "error");
});

test("a deleted execution is not added back by a late update", () => {
  const late = execution("late-d", 4);
  assert.deepEqual(ids(applyUpdates(list, new Map([[late.id, late]]), new Set(["late-d"]))), ["review-b", "triage-a"]);
});

test("the ids of the executions in an export are read", () => {
  const row = (collection: string, id: string) =>
    JSON.stringify({ collection, id, version: 1, document: { text: "cvm.executions" } });
  const text = ["{}", row("cvm.outputs", "o"), row("cvm.executions", "r1"), '{"cvm.executions" broken', ""].join("\n");
  assert.deepEqual(executionsIn(text), ["r1"]);
});
