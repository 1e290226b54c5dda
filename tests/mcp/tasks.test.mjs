// Executions as tasks of the protocol, with the official TypeScript client: the store has their state, so they outlive
// the server that has started them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallToolResultSchema, CreateTaskResultSchema } from "@modelcontextprotocol/sdk/types.js";

import { FAKE, call, connect, folder, pipes } from "./support/server.js";

const RELATED = "io.modelcontextprotocol/related-task";
const GREET = `function main() {
  const name = CC("Who is there?");
  return { name };
}`;
const CODE = ["--code", "--server", FAKE, "--approve", "fake.log", "--lease", "2s"];

/** Loads programs into the store of a folder. */
async function load(client, programs) {
  for (const [name, source] of Object.entries(programs)) await call(client, "load", { name, source });
}

/** Calls a tool as a task, and returns the new task. */
async function begin(client, name, args) {
  const params = { name, arguments: args, task: {} };
  const { task, _meta } = await client.request({ method: "tools/call", params }, CreateTaskResultSchema);
  assert.equal(task.status, "working");
  assert.equal(task.ttl, null);
  assert.match(_meta["io.modelcontextprotocol/model-immediate-response"], new RegExp(task.taskId));
  return task.taskId;
}

const result = (client, id) => client.experimental.tasks.getTaskResult(id, CallToolResultSchema, { timeout: 120_000 });
const status = async (client, id) => (await client.experimental.tasks.getTask(id)).status;

async function waitFor(client, id, expected) {
  for (;;) {
    const task = await client.experimental.tasks.getTask(id);
    if (task.status === expected) return task;
    assert.ok(["working", "input_required"].includes(task.status), JSON.stringify(task));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function kill(client, pid) {
  const closed = new Promise((resolve) => (client.onclose = resolve));
  process.kill(pid, "SIGKILL");
  await closed;
}

test("a task waits for an answer that another server takes", async (t) => {
  const cwd = await folder(t);
  const { client } = await connect(t, cwd);
  assert.deepEqual(client.getServerCapabilities().tasks, { list: {}, cancel: {}, requests: { tools: { call: {} } } });
  const { tools } = await client.listTools();
  const tasks = tools.filter((tool) => tool.execution?.taskSupport === "optional").map(({ name }) => name);
  assert.deepEqual(tasks.sort(), ["answer", "retry", "start", "wait"]);

  await load(client, { greet: GREET });
  const id = await begin(client, "start", { program: "greet" });
  const waiting = await waitFor(client, id, "input_required");
  assert.equal(waiting.statusMessage, "Who is there?");
  assert.ok(waiting.createdAt.endsWith("Z") && waiting.lastUpdatedAt >= waiting.createdAt);
  const ended = result(client, id);
  const other = await connect(t, cwd);
  await call(other.client, "answer", { id, answer: "Ada" });
  const { structuredContent, content, isError, _meta } = await ended;
  assert.deepEqual(structuredContent, { id, status: "complete", questions: [], result: { name: "Ada" } });
  assert.deepEqual(JSON.parse(content[0].text), structuredContent);
  assert.ok(!isError);
  assert.deepEqual(_meta[RELATED], { taskId: id });
  assert.equal(await status(other.client, id), "completed");
  assert.deepEqual((await result(other.client, id)).structuredContent, structuredContent);
});

test("a task outlives its server", async (t) => {
  const cwd = await folder(t);
  const first = await connect(t, cwd);
  await load(first.client, { greet: GREET });
  const ids = [await begin(first.client, "start", { program: "greet" }), await begin(first.client, "start", { program: "greet" })];
  await kill(first.client, first.pid);

  const { client } = await connect(t, cwd);
  const { tasks } = await client.experimental.tasks.listTasks();
  assert.deepEqual(tasks.map(({ taskId, status }) => [taskId, status]).sort(), ids.map((id) => [id, "input_required"]).sort());
  // The answer is a task too: the same, because it is of the same execution.
  assert.equal(await begin(client, "answer", { id: ids[0], answer: "Ada" }), ids[0]);
  assert.deepEqual((await result(client, ids[0])).structuredContent.result, { name: "Ada" });
  assert.equal(await begin(client, "wait", { id: ids[1] }), ids[1]);
});

test("the user of a client with forms is asked in the stream of a task", async (t) => {
  const asked = [];
  const forms = (params) => {
    asked.push(params);
    return { action: "accept", content: { answer: "Ada" } };
  };
  const { client } = await connect(t, await folder(t), [], { forms });
  await load(client, { greet: GREET });
  await client.listTools();
  const seen = [];
  for await (const message of client.experimental.tasks.callToolStream({ name: "start", arguments: { program: "greet", id: "g" } })) {
    seen.push(message.type === "taskStatus" ? message.task.status : message.type);
    if (message.type === "result") assert.deepEqual(message.result.structuredContent.result, { name: "Ada" });
  }
  assert.deepEqual(seen, ["taskCreated", "input_required", "result"]);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].message, "Who is there?");
  assert.deepEqual(asked[0]._meta[RELATED], { taskId: "g" });
});

test("a task is cancelled once, and a failed one says why", async (t) => {
  const { client } = await connect(t, await folder(t));
  const sources = { greet: GREET, forever: "let n = 0; while (true) n += 1", fails: "const nothing = null; nothing.name" };
  await load(client, sources);
  const tasks = client.experimental.tasks;

  // It returns although the program never does.
  const id = await begin(client, "start", { program: "forever" });
  assert.equal(await status(client, id), "working");
  assert.equal((await tasks.cancelTask(id)).status, "cancelled");
  assert.equal((await result(client, id)).structuredContent.status, "cancelled");
  await assert.rejects(tasks.cancelTask(id), { code: -32602, message: /has ended, so it cannot be cancelled/ });

  const failed = await begin(client, "start", { program: "fails" });
  assert.match((await waitFor(client, failed, "failed")).statusMessage, /null/);
  assert.equal((await result(client, failed)).structuredContent.status, "error");
  await assert.rejects(tasks.cancelTask(failed), { code: -32602 });
});

test("a request about a task that is not there is refused", async (t) => {
  const { client } = await connect(t, await folder(t));
  const tasks = client.experimental.tasks;
  await load(client, { greet: GREET });
  for (const request of [() => tasks.getTask("none"), () => tasks.cancelTask("none"), () => result(client, "none")]) {
    await assert.rejects(request, { code: -32602, message: /task `none` does not exist/ });
  }
  await assert.rejects(tasks.listTasks("no cursor"), { code: -32602 });
  await assert.rejects(begin(client, "start", { program: "grete" }), { code: -32602, message: /grete/ });
  await assert.rejects(begin(client, "show", { id: "g" }), { code: -32601, message: /the tools that can are start, answer, retry, wait/ });
  assert.deepEqual((await tasks.listTasks()).tasks, []);
});

test("a run of a script is a task that a new server goes on with", async (t) => {
  const cwd = await folder(t);
  const file = `${cwd}/log.txt`;
  const script = `const a = await tools.fake.add({ a: 1, b: 2 });
    const logged = await tools.fake.log({ file: ${JSON.stringify(file)}, line: "x" });
    return { sum: a.sum, lines: logged.lines };`;
  const first = await connect(t, cwd, CODE);
  assert.ok(first.client.getServerCapabilities().tasks);
  const id = await begin(first.client, "run", { script });
  const waiting = await waitFor(first.client, id, "input_required");
  assert.equal(waiting.statusMessage, "A call of fake.log waits for an approval.");
  await kill(first.client, first.pid);

  const asked = [];
  const forms = (params) => {
    asked.push(params._meta?.[RELATED]);
    return { action: "accept", content: { decision: "approve" } };
  };
  const { client } = await connect(t, cwd, CODE, { forms });
  assert.deepEqual((await client.experimental.tasks.listTasks()).tasks.map(({ taskId }) => taskId), [id]);
  assert.equal(await status(client, id), "input_required");
  const { structuredContent, _meta } = await result(client, id);
  assert.deepEqual(structuredContent, { status: "complete", id, result: { sum: 3, lines: 1 }, output: [] });
  assert.deepEqual(_meta[RELATED], { taskId: id });
  assert.deepEqual(asked, [{ taskId: id }]);

  const failing = await begin(client, "run", { script: "throw new Error('no luck')" });
  assert.equal((await waitFor(client, failing, "failed")).statusMessage, "no luck");
  assert.equal((await result(client, failing)).isError, true);
  await assert.rejects(begin(client, "run", { script: "return tools.fake.ad({})" }), { code: -32602, message: /did you mean/ });
});

test("surfaces without turns and clients of older versions have no tasks", async (t) => {
  const cwd = await folder(t);
  for (const args of [["--all"], ["--read-only"]]) {
    const { client } = await connect(t, cwd, args);
    assert.equal(client.getServerCapabilities().tasks, undefined, args.join());
    assert.ok((await client.listTools()).tools.every((tool) => !tool.execution), args.join());
    await assert.rejects(client.experimental.tasks.getTask("g"), { code: -32601 });
  }
  const { request, notify } = pipes(t, cwd);
  const hello = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "old", version: "1" } };
  const { result: agreed } = await request("initialize", hello);
  assert.equal(agreed.protocolVersion, "2025-06-18");
  assert.equal(agreed.capabilities.tasks, undefined);
  notify("notifications/initialized");
  const { result: { tools } } = await request("tools/list", {});
  assert.ok(tools.every((tool) => !("execution" in tool)));
  await request("tools/call", { name: "load", arguments: { name: "greet", source: GREET } });
  // The parameter has no meaning: the result is the turn.
  const { result: turn } = await request("tools/call", { name: "start", arguments: { program: "greet" }, task: {} });
  assert.equal(turn.structuredContent.questions[0].prompt, "Who is there?");
  assert.equal((await request("tasks/list", {})).error.code, -32601);
});

test("a client with the extension of version 2026-07-28 polls and answers its tasks", async (t) => {
  const cwd = await folder(t);
  const capabilities = { elicitation: { form: {} }, extensions: { "io.modelcontextprotocol/tasks": {} } };
  const meta = (clientCapabilities) => ({
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "polls", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": clientCapabilities,
  });
  const open = (args) => {
    const { request } = pipes(t, cwd, args);
    return async (method, params, declared = capabilities) => {
      const { result, error } = await request(method, { ...params, _meta: meta(declared) });
      if (error) throw Object.assign(new Error(error.message), error);
      return result;
    };
  };
  const send = open(CODE);
  const script = "return (await ask('Which one?', { choices: ['a', 'b'] })) + (await tools.fake.add({ a: 1, b: 2 })).sum";
  const created = await send("tools/call", { name: "run", arguments: { script, id: "one" } });
  assert.deepEqual([created.resultType, created.taskId, created.ttlMs], ["task", "one", null]);
  const asks = await send("tasks/get", { taskId: "one" });
  assert.equal(asks.status, "input_required");
  const [[key, form]] = Object.entries(asks.inputRequests);
  assert.equal(form.method, "elicitation/create");
  assert.deepEqual(form.params.requestedSchema.properties.answer.enum, ["a", "b"]);
  // Without forms nothing is asked.
  const extension = { extensions: capabilities.extensions };
  assert.equal((await send("tasks/get", { taskId: "one" }, extension)).status, "working");
  await assert.rejects(send("tasks/get", { taskId: "one" }, {}), { code: -32021 });

  // Another server on the store takes the answer.
  const other = open(CODE);
  const inputResponses = { [key]: { action: "accept", content: { answer: "b" } }, unknown: { action: "cancel" } };
  await other("tasks/update", { taskId: "one", inputResponses });
  let task;
  do task = await other("tasks/get", { taskId: "one" });
  while (task.status === "working");
  assert.equal(task.status, "completed");
  assert.deepEqual(task.result.structuredContent, { status: "complete", id: "one", result: "b3", output: [] });
  await other("tasks/cancel", { taskId: "one" });
  await assert.rejects(other("tasks/cancel", { taskId: "none" }), { code: -32602 });

  // The model answers the questions of a program, so a call that ends with one returns its turn.
  const programs = open([]);
  await programs("tools/call", { name: "load", arguments: { name: "greet", source: GREET } });
  const turn = await programs("tools/call", { name: "start", arguments: { program: "greet" } });
  assert.equal(turn.structuredContent.questions[0].prompt, "Who is there?");
  await programs("tools/call", { name: "load", arguments: { name: "sleeps", source: "sleep('1h')" } });
  const { taskId } = await programs("tools/call", { name: "start", arguments: { program: "sleeps" } });
  assert.equal((await programs("tasks/get", { taskId })).status, "working");
  await programs("tasks/cancel", { taskId });
  assert.equal((await programs("tasks/get", { taskId })).status, "cancelled");
  const refused = await programs("tools/call", { name: "start", arguments: { program: "grete" } });
  assert.ok(refused.isError && /grete/.test(refused.structuredContent.message));
});
