// The form of a schema: its fields, and the conversion of typed texts to values.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "runstate";

import { simplifySchema } from "../../pkg/src/schema-form.ts";
import { describeBounds, fieldKind, parseDraft, type Draft } from "../src/draft";

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

const parse = (schema: Json, draft: Draft) => parseDraft(schema, draft, "f", "This");

test("a form yields the typed value and omits empty optional fields", () => {
  assert.deepEqual(parse(PERSON, { name: "Ada", years: " 12 ", remote: "", tags: "" }), { value: { name: "Ada", years: 12 } });
});

test("each input kind parses to its JSON type", () => {
  const draft = { name: "", years: "1,5", remote: "no", team: "3", tags: "a\n\nb" };
  assert.deepEqual(parse(PERSON, draft), { value: { name: "", years: 1.5, remote: false, team: 3, tags: ["a", "b"] } });
});

test("an error is reported at its input", () => {
  assert.deepEqual(parse(PERSON, { name: "Ada", years: "twelve" }), { wrong: "years needs a number", at: "f.years" });
  const nested = { type: "object", properties: { list: { type: "object", properties: { n: { items: { type: "number" } } } } } };
  assert.deepEqual(parse(nested, { list: { n: "1\nx" } }), { wrong: "line 2 of n needs a number", at: "f.list.n" });
  assert.deepEqual(parse({ enum: ["a", 1] }, ""), { wrong: "This needs a or 1", at: "f" });
  assert.deepEqual(parse({ items: { enum: ["a", 1] } }, "1\na"), { value: [1, "a"] });
});

test("a schema that a form cannot show becomes a JSON field", () => {
  const items = { type: "array", items: PERSON };
  for (const schema of [null, {}, true, { type: ["string", "null"] }, { type: "object" }, { required: ["a"], properties: {} }, items]) {
    assert.equal(fieldKind(schema), "json", JSON.stringify(schema));
  }
  assert.deepEqual(parse(null, '{"a": [1]}'), { value: { a: [1] } });
  assert.match((parse(null, "{") as { wrong: string }).wrong, /needs JSON/);
});

test("combinations that a form can show are shown", () => {
  const $defs = { size: { enum: ["s", "l"] }, tree: { properties: { size: { $ref: "#/$defs/size" }, left: { $ref: "#/$defs/tree" } } }, "a/b c": { type: "string" } };
  const kinds: [{ [keyword: string]: Json }, string][] = [
    [{ $ref: "#/$defs/size" }, "choice"],
    [{ $ref: "#/$defs/a~1b%20c" }, "text"],
    [{ anyOf: [{ $ref: "#/$defs/size" }, { const: "xl" }] }, "choice"],
    [{ oneOf: [{ type: "number" }, { type: "null" }] }, "number"],
    [{ allOf: [{ properties: { a: {} } }, { required: ["a"] }] }, "object"],
    [{ anyOf: [{ type: "string" }, { type: "number" }] }, "json"],
    [{ allOf: [{ type: "string" }, { type: "number" }] }, "json"],
    [{ $ref: "#/$defs/missing" }, "json"],
    [{ $ref: "#" }, "json"],
  ];
  for (const [schema, kind] of kinds) assert.equal(fieldKind(simplifySchema({ ...schema, $defs }) as Json), kind, JSON.stringify(schema));
  const tree = simplifySchema({ $ref: "#/$defs/tree", $defs });
  assert.deepEqual(tree, { properties: { size: { enum: ["s", "l"] }, left: {} } });
});

test("an input of a nullable schema is left empty for null", () => {
  const schema = simplifySchema({ required: ["a"], properties: { a: { anyOf: [{ type: "integer" }, { type: "null" }] }, b: { type: ["string", "null"] } } }) as Json;
  assert.deepEqual(parse(schema, { a: "", b: "" }), { value: { a: null } });
  assert.deepEqual(parse(schema, { a: "3", b: "x" }), { value: { a: 3, b: "x" } });
});

test("a schema that repeats itself very often becomes a JSON field", () => {
  const $defs = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [at, { allOf: [{ $ref: `#/$defs/${at + 1}` }, { $ref: `#/$defs/${at + 1}` }] }]));
  assert.equal(fieldKind(simplifySchema({ $ref: "#/$defs/0", $defs: { ...$defs, 30: { type: "string" } } }) as Json), "json");
});

test("hints name the bounds", () => {
  assert.equal(describeBounds({ type: "integer", minimum: 0, maximum: 70 }), "minimum 0, maximum 70");
  assert.equal(describeBounds({ type: "string", pattern: "^[a-z]+$", maxLength: 5 }), "pattern ^[a-z]+$, max length 5");
  assert.equal(describeBounds({ items: { enum: ["a", "b"] }, maxItems: 1 }), "a or b, max items 1");
});
