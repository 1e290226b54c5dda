// Formats of times, sizes, counts and values.

import assert from "node:assert/strict";
import { test } from "node:test";

import { formatAge, formatBytes, formatCount, formatDuration, formatValue, joinSentences } from "../src/ui/format";

test("durations have two units at most", () => {
  const formatted = [0, 999, 1_000, 61_000, 3_600_000, 90_061_000].map(formatDuration);
  assert.deepEqual(formatted, ["0 ms", "999 ms", "1 s", "1 min 1 s", "1 h", "1 d 1 h"]);
});

test("ages have one unit", () => {
  assert.deepEqual(
    [0, 4_999, 59_000, 3_599_000].map((ms) => formatAge(0, ms)),
    ["just now", "just now", "59 s ago", "59 min ago"],
  );
});

test("sizes, counts and values are formatted", () => {
  assert.deepEqual([0, 999, 1_500, 12_345_678].map(formatBytes), ["0 B", "999 B", "1.5 kB", "12 MB"]);
  assert.deepEqual([formatCount(1, "call"), formatCount(10_000, "call")], ["1 call", "10,000 calls"]);
  assert.deepEqual([formatValue("a"), formatValue(null), formatValue({ a: [1] }), formatValue(undefined)], ["a", "null", '{"a":[1]}', ""]);
});

test("texts are joined as sentences", () => {
  assert.equal(joinSentences("it has ended", "", "Try again."), "It has ended. Try again.");
  assert.equal(joinSentences(), "");
});
