// The form of a schema: its fields, and the conversion of typed texts to values.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "runstate";

import { emptyDraft, parseDraft, type FormDraft } from "../src/question/draft";
import { fieldOf } from "../src/question/field";

const PERSON = {
  type: "object",
  required: ["name", "years"],
  properties: {
    name: { type: "string", minLength: 1 },
    years: { type: "integer", minimum: 0, maximum: 70 },
    remote: { type: "boolean" },
    team: { enum: ["red", "blue", 3] },
    tags: { type: "array", items: { type: "string" }, maxItems: 3 },
  },
};

function parseTyped(schema: Json, draft: FormDraft) {
  return parseDraft(fieldOf(schema), draft, "f", "This");
}

test("a form yields the typed value and omits empty optional fields", () => {
  const draft = { name: "Ada", years: " 12 ", remote: "", team: "", tags: [""] };
  assert.deepEqual(parseTyped(PERSON, draft), { value: { name: "Ada", years: 12 } });
});

test("each input kind parses to its JSON type", () => {
  const draft = { name: "", years: "0", remote: "no", team: "2", tags: ["a", "", "b"] };
  assert.deepEqual(parseTyped(PERSON, draft), { value: { name: "", years: 0, remote: false, team: 3, tags: ["a", "b"] } });
});

test("a number that does not parse is reported at its input", () => {
  const draft = { ...(emptyDraft(fieldOf(PERSON)) as { [name: string]: FormDraft }), years: "twelve" };
  assert.deepEqual(parseTyped(PERSON, draft), { wrong: "years needs a number", at: "f.years" });
});

test("objects and lists within each other are named by their path", () => {
  const schema = { type: "array", items: { type: "object", required: ["n"], properties: { n: { type: "number" } } } };
  assert.deepEqual(parseTyped(schema, [{ n: "1,5" }, { n: "x" }]), { wrong: "n needs a number", at: "f.1.n" });
  assert.deepEqual(parseTyped(schema, [{ n: "1,5" }, { n: "" }]), { value: [{ n: 1.5 }] });
});

test("a schema that a form cannot show becomes a JSON field", () => {
  for (const schema of [
    null,
    {},
    true,
    { type: ["string", "null"] },
    { type: "object" },
    { type: "object", required: ["a"], properties: {} },
  ]) {
    assert.equal(fieldOf(schema).kind, "json", JSON.stringify(schema));
  }
  assert.deepEqual(parseTyped(null, '{"a": [1]}'), { value: { a: [1] } });
  assert.match((parseTyped(null, "{") as { wrong: string }).wrong, /needs JSON/);
});

test("hints name the bounds", () => {
  const hint = (schema: Json) => (fieldOf(schema) as { hint: string }).hint;
  assert.equal(hint({ type: "integer", minimum: 0, maximum: 70 }), "0 to 70");
  assert.equal(hint({ type: "string", pattern: "^[a-z]+$", maxLength: 5 }), "at most 5 characters, matching ^[a-z]+$");
  assert.equal(hint({ type: "array", items: {}, minItems: 1, maxItems: 1 }), "exactly 1 item");
});
