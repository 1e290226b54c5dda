// Formats of times, counts and values, the ids in an export, and the names of programs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { programName } from "../src/examples";
import { executionsIn, formatCount, formatDuration, formatRelative, formatValue, titleOf } from "../src/format";

test("relative times have one unit, and countdowns are rounded up", () => {
  const formatted = [-4_999, -59_000, -3_599_000, 1, 61_000, 86_400_000].map((ms) => formatRelative(ms, 0));
  assert.deepEqual(formatted, ["just now", "59 seconds ago", "59 minutes ago", "in 1 second", "in 2 minutes", "in 1 day"]);
});

test("durations, counts and values are formatted", () => {
  assert.deepEqual([0, 999, 1_500].map(formatDuration), ["0 ms", "999 ms", "1.5 s"]);
  assert.deepEqual([formatCount(1, "call"), formatCount(10_000, "call")], ["1 call", "10,000 calls"]);
  assert.deepEqual([formatValue("a"), formatValue(null), formatValue({ a: [1] }), formatValue(undefined)], ["a", "null", '{"a":[1]}', ""]);
});

test("a call has a title by its kind, and by what it waits for", () => {
  const title = (call: Partial<Parameters<typeof titleOf>[0]>) => titleOf({ kind: "pay", prompt: "", args: { order: 1 }, ...call });
  const titles = [title({ kind: "cc", prompt: "Why?" }), title({ kind: "timer" }), title({}), title({ args: null }), title({ waitsFor: "approval" })];
  assert.deepEqual(titles, ["Why?", "Sleeping", "Tool pay(…)", "Tool pay", "Approve pay?"]);
});

test("the ids of the executions in an export are read", () => {
  const row = (collection: string, id: string) => JSON.stringify({ collection, id, document: { text: "cvm.executions" } });
  const text = ["{}", row("cvm.outputs", "o"), row("cvm.executions", "r1"), '{"cvm.executions" broken', ""].join("\n");
  assert.deepEqual(executionsIn(text), ["r1"]);
});

test("a changed example is renamed, and a typed name is kept", () => {
  const examples = [{ name: "review", source: "CC('merge?');" }];
  assert.equal(programName("CC('merge it?');", "review", examples), "my-review");
  assert.equal(programName("CC('merge?');", "my-review", examples), "review");
  assert.equal(programName("CC('merge it?');", "nightly", examples), "nightly");
});
