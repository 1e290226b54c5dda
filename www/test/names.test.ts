// The names of programs: those of visitors are never versions of the examples.

import assert from "node:assert/strict";
import { test } from "node:test";

import { nameOf } from "../src/program/names";

const examples = [
  { name: "review", source: "CC('merge?');" },
  { name: "triage", source: "CC('urgent?');" },
];

test("a changed example gets a name of its own and a restored one its old name", () => {
  assert.equal(nameOf("CC('merge it?');", "review", examples), "my-review");
  assert.equal(nameOf("CC('merge it now?');", "my-review", examples), "my-review");
  assert.equal(nameOf("CC('merge?');", "my-review", examples), "review");
});

test("a name that was typed is kept", () => {
  assert.equal(nameOf("CC('merge it?');", "nightly", examples), "nightly");
});
