// Times and sizes in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, bytes, count, duration, plain, sentences } from "../src/ui/words";

test("durations have two units at most", () => {
  const said = [0, 999, 1_000, 61_000, 3_600_000, 90_061_000].map(duration);
  assert.deepEqual(said, ["0 ms", "999 ms", "1 s", "1 min 1 s", "1 h", "1 d 1 h"]);
});

test("ages are coarse", () => {
  assert.deepEqual(
    [0, 4_999, 59_000, 3_599_000].map((ms) => ago(0, ms)),
    ["just now", "just now", "59 s ago", "59 min ago"],
  );
});

test("sizes, counts, values", () => {
  assert.deepEqual([0, 999, 1_500, 12_345_678].map(bytes), ["0 B", "999 B", "1.5 kB", "12 MB"]);
  assert.deepEqual([count(1, "call"), count(10_000, "call")], ["1 call", "10,000 calls"]);
  assert.deepEqual([plain("a"), plain(null), plain({ a: [1] }), plain(undefined)], ["a", "null", '{"a":[1]}', ""]);
});

test("parts become sentences", () => {
  assert.equal(sentences("it has ended", "", "Try again."), "It has ended. Try again.");
  assert.equal(sentences(), "");
});
