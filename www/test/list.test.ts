// The list of executions: what is shown of it, and how it takes in what was heard.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status, Summary } from "runstate";

import { EVERYTHING, filtered, programsOf } from "../src/executions/filter";
import { update } from "../src/executions/update";
import { executionsIn } from "../src/page/exported";

function execution(id: string, started: number, status: Status = "complete", prompt: string | null = null): Summary {
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
const ids = (of: Summary[]) => of.map(({ id }) => id);

test("filters go together", () => {
  assert.deepEqual(ids(filtered(list, EVERYTHING)), ["review-b", "triage-a"]);
  assert.deepEqual(ids(filtered(list, { ...EVERYTHING, status: "complete" })), ["triage-a"]);
  assert.deepEqual(ids(filtered(list, { ...EVERYTHING, words: "SHIP review" })), ["review-b"]);
  assert.deepEqual(ids(filtered(list, { status: "complete", program: "review", words: "" })), []);
  assert.deepEqual(programsOf(list), ["review", "triage"]);
});

test("what changed stays in its place, what is new comes by its time, what is gone goes", () => {
  const heard = [execution("triage-a", 1, "error"), execution("new-c", 3)];
  const after = update(list, new Map(heard.map((one) => [one.id, one])), new Set(["review-b"]));
  assert.deepEqual(ids(after), ["new-c", "triage-a"]);
  assert.equal(after[1]?.status, "error");
});

test("an execution that is gone by the time it is heard of does not come back", () => {
  const heard = execution("late-d", 4);
  assert.deepEqual(ids(update(list, new Map([[heard.id, heard]]), new Set(["late-d"]))), ["review-b", "triage-a"]);
});

test("an export says which executions it holds", () => {
  const row = (collection: string, id: string) =>
    JSON.stringify({ collection, id, version: 1, document: { says: "cvm.executions" } });
  const text = ["{}", row("cvm.outputs", "o"), row("cvm.executions", "r1"), '{"cvm.executions" broken', ""].join("\n");
  assert.deepEqual(executionsIn(text), ["r1"]);
});
