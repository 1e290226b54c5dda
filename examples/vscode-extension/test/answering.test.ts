import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { simulated } from "runstate/testing";

import { ANSWER_SCHEME } from "../src/answering.ts";
import { Drafts } from "../src/drafts.ts";
import { FakeWindow, waitUntil } from "./fake-editor.ts";

const CHOICE = 'const a = CC("Which?", { choices: ["x", "y"] }); console.log(a);';
const TEXT = 'console.log(CC("Why?")); console.log(CC("Really?"));';
const PERSON = `
const who = CC("Who?", { schema: { type: "object", required: ["name"], properties: { name: { type: "string", minLength: 1 } } } });
console.log(who.name);`;

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  t.after(() => rm(made, { recursive: true, force: true }));
  return `file:${made}`;
}

async function output(window: FakeWindow, id: string): Promise<string[]> {
  const rs = await window.store.open();
  return (await rs.run(id)).output();
}

/** The only open call. */
async function openCall(window: FakeWindow): Promise<string> {
  const [call] = await window.waiting();
  assert.ok(call);
  return call.id;
}

test("a choice answers with the name of the person", async () => {
  await using window = new FakeWindow();
  window.editor.onPick = () => "y";
  const id = await window.runProgram(CHOICE);
  assert.deepEqual(await output(window, id), ["y"]);
  const rs = await window.store.open();
  assert.deepEqual((await rs.runs.calls({ execution: id })).items.map(({ response }) => [response?.by, response?.result]), [["Ada", "y"]]);
  assert.deepEqual(await window.rows(), ["trip [execution complete]"]);
});

test("the next question of an execution follows at once", async () => {
  await using window = new FakeWindow();
  window.editor.onInput = ({ title }) => ({ text: `${title}!` });
  const id = await window.runProgram(TEXT);
  assert.deepEqual(await output(window, id), ["Why?!", "Really?!"]);
});

test("a dismissed question stays open, with what was typed as its draft", async (t) => {
  const url = await folder(t);
  {
    await using window = new FakeWindow(url);
    window.editor.onInput = ({ onChange }) => {
      onChange?.("becau");
      return undefined;
    };
    await window.runProgram(TEXT);
    assert.deepEqual(await window.rows(), ["trip [execution waiting_cc]", "  Why? [call answerable]"]);
  }
  await using window = new FakeWindow(url);
  let value: string | undefined;
  window.editor.onInput = (input) => void (value = input.value);
  await window.run("answer", await openCall(window));
  assert.equal(value, "becau");
});

test("an answer in an editor is kept as a draft, checked and sent", async () => {
  await using window = new FakeWindow();
  const id = await window.runProgram(PERSON);
  const { editor } = window;
  const path = editor.activeAnswer ?? "";
  assert.match(path, /^\/.+\/Who\.json$/);
  const files = editor.files.get(ANSWER_SCHEME);
  assert.match((await files?.read(path)) ?? "", /"name": ""/);

  await files?.write(path, '{ "name": ');
  await window.run("sendAnswer");
  assert.match(editor.messages.at(-1) ?? "", /not valid JSON/);
  await files?.write(path, '{ "name": "" }');
  await window.run("sendAnswer");
  assert.match(editor.messages.at(-1) ?? "", /not accepted: at \/name/);
  assert.equal(editor.shownProblems.get(`${ANSWER_SCHEME}:${path}`)?.length, 1);
  assert.equal(await files?.read(path), '{ "name": "" }', "the draft is kept");

  // The text in the editor counts, also if another window has stored a draft since.
  await files?.write(path, '{ "name": "Grace" }');
  editor.typed = '{ "name": "Ada" }';
  await window.run("sendAnswer");
  assert.equal(editor.activeAnswer, undefined, "the editor is closed");
  assert.deepEqual(await output(window, id), ["Ada"]);
});

test("a draft of several lines continues in an editor", async () => {
  await using window = new FakeWindow();
  window.editor.onInput = (input) => void input.onChange?.("one\ntwo");
  await window.runProgram('console.log(CC("A letter?"));');
  window.editor.onInput = () => assert.fail("a box would join the lines");
  await window.run("answer", await openCall(window));
  assert.match(window.editor.activeAnswer ?? "", /letter/);
});

test("the schema of a question is offered to the JSON editor", async () => {
  await using window = new FakeWindow();
  await window.runProgram(PERSON);
  const schema = await window.editor.contents.get("runstate-schema")?.(`/${await openCall(window)}.json`);
  assert.deepEqual(JSON.parse(schema ?? "").required, ["name"]);
});

test("an answer to a question that another window has answered is refused", async (t) => {
  const url = await folder(t);
  await using first = new FakeWindow(url);
  await using second = new FakeWindow(url, (editor) => (editor.settings.answeredBy = "Grace"));
  const id = await first.runProgram(CHOICE);
  const call = await openCall(second);
  second.editor.onPick = () => "x";
  // The first window has the list open while the second one answers.
  let answered: Promise<void> | undefined;
  first.editor.pick = async (_title, _placeholder, choices) => {
    await (answered ??= second.run("answer", call));
    return choices[1];
  };
  await first.run("answer", call);
  assert.match(first.editor.messages.at(-1) ?? "", /“Which\?” was already answered by Grace: "x"\. Nothing was changed\./);
  assert.deepEqual(await output(first, id), ["x"]);
  await first.run("answer", call);
  assert.match(first.editor.messages.at(-1) ?? "", /already answered by Grace/);
});

test("an answer that a crash interrupted is sent once when a window opens", async (t) => {
  const url = await folder(t);
  await using first = new FakeWindow(url);
  const id = await first.runProgram(CHOICE);
  const call = await openCall(first);
  const drafts = new Drafts(() => first.store.open());
  await drafts.save({ call, execution: id, text: "y", sent: { answer: "y", by: "Ada", commandId: "answer-1" } });
  await using second = new FakeWindow(url);
  await using third = new FakeWindow(url);
  await waitUntil(async () => (await output(second, id)).length > 0);
  assert.deepEqual(await output(third, id), ["y"]);
  await waitUntil(async () => (await drafts.unsent()).length === 0);
});

test("an unsent answer that is no longer accepted becomes a draft", async (t) => {
  const url = await folder(t);
  await using first = new FakeWindow(url);
  const id = await first.runProgram(CHOICE);
  const call = await openCall(first);
  const drafts = new Drafts(() => first.store.open());
  await drafts.save({ call, execution: id, text: "z", sent: { answer: "z", by: "Ada", commandId: "answer-1" } });
  await using second = new FakeWindow(url);
  await waitUntil(async () => (await drafts.unsent()).length === 0);
  assert.equal((await drafts.get(call))?.text, "z");
  await waitUntil(() => second.editor.logged.some((line) => /was not sent: .*invalid_answer/.test(line)));
});

test("a text that cannot be stored is shown again", async (t) => {
  const url = await folder(t);
  const world = await simulated({ now: Date.now() });
  await using window = new FakeWindow(url, () => {}, (at, options) => world.open(at, options));
  const id = await window.runProgram(TEXT);
  const shown: (string | undefined)[] = [];
  window.editor.onInput = ({ value }) => {
    shown.push(value);
    if (shown.length === 1) world.fail({ on: "commit", fault: "full" });
    return shown.length < 3 ? { text: "because" } : undefined;
  };
  await window.run("answer", await openCall(window));
  assert.deepEqual(shown, [undefined, "because", undefined]);
  assert.match(window.editor.messages.join(), /The answer was not accepted: (?!.*\(full\))/);
  const rs = await window.store.open();
  assert.deepEqual((await rs.runs.calls({ execution: id })).items.map(({ response }) => response?.result), ["because", undefined]);
});
