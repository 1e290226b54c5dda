import assert from "node:assert/strict";
import { test } from "node:test";

import { locate, problemIn } from "../src/json-pointer.ts";
import { FakeWindow, file, waitUntil } from "./fake-editor.ts";

test("a value is found in a text by its pointer", () => {
  const text = '{ "a": [1, { "b/c": "x,}" }], "d~": {}, "e": [] }';
  const found = ["", "/a", "/a/0", "/a/1/b~1c", "/d~0", "/e"].map((pointer) => text.slice(locate(text, pointer)).slice(0, 3));
  assert.deepEqual(found, ['{ "', "[1,", "1, ", '"x,', "{},", "[] "]);
  assert.equal(locate(text, "/missing"), 0);
  assert.equal(locate(JSON.stringify({ a: "x".repeat(10_000_000) }), "/a"), 0);
});

test("a problem is shown at the value that it names", () => {
  const text = '{\n  "name": ""\n}';
  assert.deepEqual(problemIn(text, "at /name: a text is expected"), { line: 2, column: 11, message: "a text is expected" });
  assert.deepEqual(problemIn(text, "one of 1, 2 is expected"), { line: 1, column: 1, message: "one of 1, 2 is expected" });
});

/** Opens the answer of the question that a program asks. Returns a function that types a text and waits for its
 * problems. */
async function typing(window: FakeWindow, source: string) {
  await window.runProgram(source);
  const [call] = await window.waiting();
  const uri = `runstate-answer:/${call?.id}/answer`;
  const shown: string[][] = [];
  window.editor.problems = (of, problems) => {
    if (of === uri) shown.push(problems.map(({ line, column, message }) => `${line}:${column} ${message}`));
  };
  return async (text: string) => {
    window.editor.change({ ...file("answer.json", text, "json"), uri });
    // Other listeners remove problems at once; the check comes later.
    shown.length = 0;
    await waitUntil(() => shown.length > 0);
    return shown[0];
  };
}

test("an answer is checked while it is typed", async () => {
  await using window = new FakeWindow();
  const type = await typing(window, 'CC("Which?", { schema: { type: "array", items: { type: "integer" } } });');
  assert.deepEqual(await type('[1,\n "x"]'), ['2:2 an integer is expected, "x" was given']);
  assert.deepEqual(await type("[1, 2]"), []);
  assert.deepEqual(await type("[1, "), [], "the JSON editor marks syntax errors");
});

test("a text and a choice are checked while they are typed", async () => {
  await using first = new FakeWindow();
  const text = await typing(first, 'CC("Why?", { schema: { type: "string", minLength: 3 } });');
  assert.deepEqual(await text("no"), ['1:1 a text of at least 3 characters is expected, "no" (2 characters) was given']);
  assert.deepEqual(await text("yes"), []);
  await using second = new FakeWindow();
  const choice = await typing(second, 'CC("Which?", { choices: ["a", 2] });');
  assert.deepEqual(await choice('"b"'), ['1:1 one of "a", 2 is expected, "b" was given']);
  assert.deepEqual(await choice("2"), []);
});

test("the JSON editor checks a text that names its schema", async () => {
  await using window = new FakeWindow();
  const type = await typing(window, 'CC("Who?", { schema: { type: "object", required: ["name"] } });');
  assert.deepEqual(await type('{ "$schema": "runstate-schema:/1.json" }'), []);
  assert.equal((await type("{}"))?.length, 1);
});
