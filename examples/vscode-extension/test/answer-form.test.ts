import assert from "node:assert/strict";
import { test } from "node:test";

import type { Json } from "runstate";

import { editorSchema, formOf, isAnswerable, parseAnswer, template, usesJsonEditor } from "../src/answer-form.ts";

const call = (fields: { kind?: string; choices?: Json[]; schema?: Json } = {}) => ({ id: "1", kind: "cc", choices: null, schema: null, ...fields });
const PERSON = { type: "object", required: ["name"], properties: { name: { type: "string" }, age: { type: "integer" } } };

test("a call is answered in the form that suits it", () => {
  const forms: [object, string][] = [
    [{}, "text"],
    [{ choices: ["a", 2, false] }, "choices"],
    [{ schema: { type: "boolean" } }, "choices"],
    [{ schema: { type: "string", enum: ["a"] } }, "choices"],
    [{ schema: { type: "string" } }, "text"],
    [{ schema: { type: "integer" } }, "text"],
    [{ schema: PERSON }, "json"],
    [{ schema: { type: ["string", "null"] } }, "text"],
    [{ schema: { type: ["string", "integer"] } }, "json"],
    [{ schema: { anyOf: [{ const: "a" }, { enum: ["b", 3] }] } }, "choices"],
    [{ schema: { oneOf: [{ const: "a" }, { type: "integer" }] } }, "json"],
    [{ schema: { anyOf: [{ type: "integer" }, { type: "null" }] } }, "text"],
    [{ schema: { $ref: "#/$defs/size", $defs: { size: { enum: ["s", "l"] } } } }, "choices"],
    [{ schema: { $ref: "#/$defs/tree", $defs: { tree: { properties: { left: { $ref: "#/$defs/tree" } } } } } }, "json"],
    [{ schema: {} }, "json"],
    [{ kind: "search" }, "json"],
  ];
  for (const [fields, kind] of forms) assert.equal(formOf(call(fields)).kind, kind, JSON.stringify(fields));
});

test("a choice keeps the type of its value", () => {
  const form = formOf(call({ choices: ["2", 2, false] }));
  assert.deepEqual(form.kind === "choices" && form.choices.map(({ label, value }) => [label, value]), [["2", "2"], ["2", 2], ["false", false]]);
});

test("a nullable answer is null if it is left empty, or chosen", () => {
  const form = (type: string) => formOf(call({ schema: { anyOf: [{ type }, { type: "null" }] } }));
  for (const [type, text, value] of [["integer", " 3", 3], ["integer", "", null], ["string", "", null], ["string", "null", "null"]] as const) {
    const { kind, ...rest } = form(type);
    assert.ok(kind === "text" && "parse" in rest);
    assert.equal(rest.parse(text), value);
  }
  const choices = formOf(call({ schema: { oneOf: [{ type: "null" }, { enum: ["a"] }] } }));
  assert.deepEqual(choices.kind === "choices" && choices.choices.map(({ value }) => value), ["a", null]);
});

test("the editor of a combined schema begins without the member `$schema`", () => {
  const schema = { allOf: [{ ...PERSON, additionalProperties: false }] };
  assert.deepEqual(JSON.parse(template(call({ schema }))), { name: "" });
});

test("a number is parsed, and other texts are refused", () => {
  const form = formOf(call({ schema: { type: "number" } }));
  assert.ok(form.kind === "text");
  assert.equal(form.parse(" 1.5 "), 1.5);
  for (const text of ["", "x", "Infinity", "0x10"]) assert.throws(() => form.parse(text), /is not a number/);
});

test("an editor begins with the required members and the schema", () => {
  const text = template(call({ schema: PERSON }));
  assert.deepEqual(JSON.parse(text), { $schema: "runstate-schema:/1.json", name: "" });
  assert.deepEqual(parseAnswer(call({ schema: PERSON }), text), { name: "" });
  assert.equal(template(call()), "");
});

test("a member `$schema` of the person's own is part of the answer", () => {
  assert.deepEqual(parseAnswer(call({ schema: {} }), '{"$schema":"https://example.org/s"}'), { $schema: "https://example.org/s" });
});

test("a text is answered without the editor's last line break", () => {
  assert.equal(parseAnswer(call(), "a\nb\n"), "a\nb");
  assert.equal(usesJsonEditor(call()), false);
});

test("the schema for the editor allows the member `$schema`", () => {
  const schema = editorSchema(call({ schema: { ...PERSON, additionalProperties: false } })) as { properties: object };
  assert.deepEqual(Object.keys(schema.properties), ["name", "age", "$schema"]);
});

test("timers and files are not answered by a person", () => {
  assert.deepEqual(["cc", "search", "timer", "fs.readFile"].map((kind) => isAnswerable({ kind })), [true, true, false, false]);
});
