import assert from "node:assert/strict";
import { test } from "node:test";

import { entryLine, isProgram, programName } from "../src/programs.ts";
import { FakeWindow, file, waitUntil } from "./fake-editor.ts";

test("a file is a program by its name or by its first line", () => {
  const globs = ["*.run.ts"];
  assert.equal(isProgram(file("a.run.ts", ""), globs), true);
  assert.equal(isProgram(file("a.ts", "// @runstate\n"), globs), true);
  assert.equal(isProgram(file("a.ts", '/// <reference types="runstate/program" />'), globs), true);
  assert.equal(isProgram(file("a.ts", "let a = 1; // @runstatements"), globs), false);
  assert.equal(isProgram(file("a.ts", "\n// @runstate"), globs), false);
  assert.equal(isProgram(file("a.run.ts", "", "markdown"), globs), false);
});

test("a program is named after its file", () => {
  assert.deepEqual(["trip.run.ts", "trip.mjs", ".run.ts", "Untitled-1"].map(programName), ["trip", "trip", "program", "Untitled-1"]);
});

test("the entry is `main`, else the first statement", () => {
  assert.equal(entryLine("// a\nlet x;\nfunction main(input) {}\n"), 3);
  assert.equal(entryLine("/* a\n b */\n\n// c\nlet x;"), 5);
  assert.equal(entryLine(""), 1);
});

test("compile errors are shown while a program is typed, and removed", async () => {
  await using window = new FakeWindow();
  const { editor } = window;
  editor.change(file("a.run.ts", "let x = 1;\nlet y: = 2;\n"));
  await waitUntil(() => editor.shownProblems.get("file:///a.run.ts")?.length === 1);
  assert.deepEqual(editor.shownProblems.get("file:///a.run.ts")?.map(({ line, column }) => [line, column]), [[2, 8]]);
  editor.change(file("a.run.ts", "let x = 1;\n"));
  await waitUntil(() => editor.shownProblems.get("file:///a.run.ts")?.length === 0);
});

test("a program that does not compile is not run", async () => {
  await using window = new FakeWindow();
  await window.runProgram("let x;\nfoo(;");
  assert.deepEqual(window.editor.shownPages, []);
  assert.match(window.editor.messages.join(), /was not run: 1 compile error, the first in line 2/);
  assert.deepEqual(await window.rows(), []);
});
