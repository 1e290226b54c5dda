// The names of programs: a visitor's program never becomes a version of an example.

import assert from "node:assert/strict";
import { test } from "node:test";

import { programName } from "../src/program/examples";

const examples = [
  { name: "review", source: "CC('merge?');" },
  { name: "triage", source: "CC('urgent?');" },
];

test("a changed example is renamed, a restored one gets its name back", () => {
  assert.equal(programName("CC('merge it?');", "review", examples), "my-review");
  assert.equal(programName("CC('merge it now?');", "my-review", examples), "my-review");
  assert.equal(programName("CC('merge?');", "my-review", examples), "review");
});

test("a name that was typed is kept", () => {
  assert.equal(programName("CC('merge it?');", "nightly", examples), "nightly");
});
