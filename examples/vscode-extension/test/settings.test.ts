import assert from "node:assert/strict";
import { test } from "node:test";

import { checkSetting } from "../src/settings.ts";

test("settings of any value become ones that work", () => {
  assert.deepEqual(["", "  ", 7, null].map((value) => checkSetting("answeredBy", value)), Array(4).fill("VS Code"));
  assert.equal(checkSetting("answeredBy", " Ada "), "Ada");
  assert.deepEqual(checkSetting("programFiles", "**/*.ts"), ["**/*.ts"]);
  assert.deepEqual([null, 5, {}].map((value) => checkSetting("programFiles", value)), Array(3).fill(["**/*.run.ts"]));
  assert.deepEqual(checkSetting("programFiles", ["a", 1, "b"]), ["a", "b"]);
  const numbers: [unknown, number][] = [[-1, 0], [1.5, 1], ["abc", 50], [Number.NaN, 50], [1e9, 1000], [20, 20]];
  for (const [value, expected] of numbers) assert.equal(checkSetting("finishedExecutions", value), expected);
  assert.equal(checkSetting("storeFolder", undefined), "");
});
