import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { open } from "runstate";
import type { Session } from "runstate/sessions";
import { simulated } from "runstate/testing";

import type { TreeNode } from "../src/editor.ts";
import { SessionNode } from "../src/tree/sessions.ts";
import { FakeEditor, FakeWindow, file, waitUntil } from "./fake-editor.ts";

const ASK = 'const a = CC("Continue?", { choices: ["yes"] }); console.log(a);';

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  t.after(() => rm(made, { recursive: true, force: true, maxRetries: 10 }));
  return `file:${made}`;
}

function inFolder(name: string): (editor: FakeEditor) => void {
  return (editor) => (editor.project = { id: `file:///${name}`, name });
}

async function sessionsOf(window: FakeWindow): Promise<Session[]> {
  const rs = await window.store.open();
  return (await rs.sessions.session.list()).items;
}

/** Waits for the only session of a project, or for the one that `fits`. */
async function session(window: FakeWindow, project: string, fits: (session: Session) => boolean = () => true): Promise<Session> {
  let found: Session[] = [];
  await waitUntil(async () => (found = (await sessionsOf(window)).filter((one) => one.projectId === project && fits(one))).length === 1);
  return found[0] as Session;
}

async function nodeOf(window: FakeWindow, { id }: Session): Promise<TreeNode | undefined> {
  return (await window.nodes()).find((node) => node instanceof SessionNode && node.session.id === id);
}

/**
 * Puts a session into a store as a window leaves it that was closed an hour ago, while its task waits. Nothing else
 * may be open on the store: it would stall the session, and an import refuses documents that change meanwhile.
 */
async function addSilentSession(url: string, project: string): Promise<void> {
  const world = await simulated({ now: Date.now() - 3_600_000, seed: 1 });
  await using early = await world.open("memory:");
  await early.load({ name: "trip", source: ASK });
  await early.sessions.machine.register("other", { hostname: "other" });
  await early.sessions.session.create({ id: "silent", project, machine: "other" });
  await early.sessions.task.add("silent", { id: "waits", name: "trip", program: "trip" });
  await early.sessions.task.start("waits");
  await using rs = await open(url, { timers: "off" });
  await rs.import(await early.export());
}

test("a window has a session on the machine of its host, with heartbeats", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  const { id: sessionId, machineId, lastHeartbeat } = await session(window, "app");
  const rs = await window.store.open();
  assert.deepEqual((await rs.sessions.machine.show(machineId)).hostname, "box");
  await waitUntil(async () => (await session(window, "app")).lastHeartbeat > lastHeartbeat);
  assert.deepEqual(await window.rows(), ["app [session active mine]", "  No program has run yet [hint]"]);
  assert.match((await window.nodes())[0]?.row.description ?? "", /^healthy · this window$/);
  assert.equal((await rs.sessions.session.health(sessionId)).health, "healthy");
});

test("a window without a folder has no session", async () => {
  await using window = new FakeWindow();
  const id = await window.runProgram(ASK);
  assert.doesNotMatch(id, /^task:/);
  assert.deepEqual(await sessionsOf(window), []);
});

test("a window without trust shows sessions and writes nothing", async (t) => {
  const url = await folder(t);
  await using window = new FakeWindow(url, inFolder("lib"));
  const other = await session(window, "lib");
  await using untrusted = new FakeWindow(url, (editor) => {
    inFolder("app")(editor);
    editor.isTrusted = false;
  });
  assert.deepEqual(await untrusted.rows(), ["lib [session active]"]);
  await untrusted.run("moveSession", await nodeOf(untrusted, other));
  assert.match(untrusted.editor.messages.at(-1) ?? "", /read-only, because the workspace is not trusted/);
  assert.deepEqual((await sessionsOf(window)).map(({ projectId, epoch }) => [projectId, epoch]), [["lib", 1]]);
  untrusted.editor.trust();
  await session(untrusted, "app");
});

test("a program runs as a task of the session, which ends with its execution", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  const id = await window.runProgram(ASK);
  assert.match(id, /^task:/);
  const open = ["app [session active mine]", "  trip [execution waiting_cc]", "    Continue? [call answerable]"];
  assert.deepEqual(await window.rows(), open);
  assert.match((await window.nodes())[0]?.row.description ?? "", /0\/1$/);
  window.editor.onPick = () => "yes";
  await window.run("answer", (await window.waiting())[0]?.id);
  assert.deepEqual(await window.rows(), ["app [session active mine]", "  trip [execution complete]"]);
  assert.match((await window.nodes())[0]?.row.description ?? "", /1\/1$/);
});

test("the program of a task gets its input", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  window.editor.active = file("trip.run.ts", "console.log(input.a[0]);");
  window.editor.onInput = () => ({ text: '{ "a": [1] }' });
  await window.run("runWithInput");
  const rs = await window.store.open();
  assert.deepEqual(await (await rs.run(window.editor.shownPages[0] ?? "")).output(), ["1"]);
});

test("a program that is run while another one waits is a plain execution", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  const [first, second] = [await window.runProgram(ASK), await window.runProgram(ASK, "other.run.ts")];
  assert.match(first, /^task:/);
  assert.doesNotMatch(second, /^task:/);
  assert.deepEqual((await window.rows()).slice(-2), ["other [execution waiting_cc]", "  Continue? [call answerable]"]);
});

test("two programs that are run at once have one task", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  await Promise.all([window.runProgram(ASK), window.runProgram(ASK)]);
  const rows = await window.rows();
  assert.equal(rows.filter((row) => row.includes("[execution waiting_cc]")).length, 2);
  const tasks = window.store.snapshot.sessions.flatMap((session) => session.tasks);
  assert.deepEqual(tasks.map(({ status }) => status), ["in_progress"]);
});

test("a reloaded window continues its session under the same epoch", async (t) => {
  const url = await folder(t);
  let before: Session;
  {
    await using window = new FakeWindow(url, inFolder("app"));
    await window.runProgram(ASK);
    before = await session(window, "app");
  }
  await using window = new FakeWindow(url, inFolder("app"));
  await waitUntil(async () => (await window.rows()).includes("app [session active mine]"));
  const after = await session(window, "app");
  assert.deepEqual([after.id, after.epoch], [before.id, 1]);
  assert.deepEqual(window.editor.messages, []);
});

test("a window whose host was killed continues its session", async (t) => {
  const url = await folder(t);
  const killed = new FakeWindow(url, inFolder("app"));
  await killed.runProgram(ASK);
  const before = await session(killed, "app");
  await killed.kill();
  await using window = new FakeWindow(url, inFolder("app"));
  await waitUntil(async () => (await window.rows()).includes("app [session active mine]"));
  const after = await session(window, "app");
  assert.deepEqual([after.id, after.epoch, after.recovery.attempts], [before.id, 1, 0]);
});

test("two windows of a workspace have two sessions, also when reopened", async (t) => {
  const url = await folder(t);
  const ids = new Set<string>();
  for (const _ of [1, 2, 3]) {
    await using first = new FakeWindow(url, inFolder("app"));
    await using second = new FakeWindow(url, inFolder("app"));
    const rows = async (window: FakeWindow) => (await window.rows()).filter((row) => row.startsWith("app")).join();
    for (const window of [first, second]) {
      await waitUntil(async () => (await rows(window)) === "app [session active mine],app [session active]");
    }
    (await sessionsOf(first)).forEach(({ id }) => ids.add(id));
  }
  assert.equal(ids.size, 2);
});

test("windows of one host share its machine", async (t) => {
  const url = await folder(t);
  await using first = new FakeWindow(url, inFolder("app"));
  await session(first, "app");
  await using second = new FakeWindow(url, inFolder("lib"));
  assert.equal((await session(second, "lib")).machineId, (await session(second, "app")).machineId);
});

test("a session is moved from an open window, which says so once and stops", async (t) => {
  const url = await folder(t);
  await using first = new FakeWindow(url, inFolder("app"));
  const id = await first.runProgram(ASK);
  await using second = new FakeWindow(url, inFolder("lib"));
  await session(second, "lib");
  const moved = await session(second, "app");
  second.editor.confirms = false;
  await second.run("moveSession", await nodeOf(second, moved));
  assert.equal((await session(second, "app")).epoch, 1);
  second.editor.confirms = true;
  await second.run("moveSession", await nodeOf(second, moved));
  await waitUntil(async () => (await second.rows()).includes("app [session active mine]"));
  await waitUntil(() => first.editor.messages.length > 0);
  assert.deepEqual(first.editor.messages, ["The session “app” continues in another window. This window no longer drives it."]);
  const beats = async () => (await session(second, "app")).lastHeartbeat;
  const beat = await beats();
  await waitUntil(async () => (await beats()) > beat);
  assert.equal(first.editor.messages.length, 1);
  assert.equal((await session(second, "app")).epoch, 2);

  // Its task runs on, and ends with the answer in the new window.
  second.editor.onPick = () => "yes";
  await second.run("answer", (await second.waiting()).find(({ executionId }) => executionId === id)?.id);
  await waitUntil(async () => (await second.rows()).includes("  trip [execution complete]"));
  // The first window gets a session again when it runs a program.
  await first.runProgram(ASK);
  assert.equal((await sessionsOf(first)).filter(({ projectId }) => projectId === "app").length, 2);
});

test("a window that is reloaded after its session was moved starts another", async (t) => {
  const url = await folder(t);
  let moved: Session;
  {
    await using first = new FakeWindow(url, inFolder("app"));
    moved = await session(first, "app");
  }
  await using second = new FakeWindow(url, inFolder("lib"));
  await session(second, "lib");
  await second.run("moveSession", await nodeOf(second, moved));
  await using first = new FakeWindow(url, inFolder("app"));
  const own = await session(first, "app", ({ id }) => id !== moved.id);
  assert.equal(own.epoch, 1);
  assert.match(first.editor.messages.join(), /continues in another window/);
  // The second window continues both of its sessions when it is reloaded.
  await second.editor.close();
  await using again = new FakeWindow(url, inFolder("lib"));
  await waitUntil(async () => (await again.rows()).filter((row) => row.endsWith("mine]")).length === 2);
});

test("a session without heartbeats is stalled and recovered with its task", async (t) => {
  const url = await folder(t);
  await addSilentSession(url, "app");
  await using window = new FakeWindow(url, inFolder("lib"));
  await session(window, "lib");
  // Windows look for silent sessions by themselves once a minute.
  const rs = await window.store.open();
  await rs.due.run();
  await waitUntil(async () => (await window.rows()).includes("app [session stalled]"));
  const stalled = await session(window, "app");
  assert.match((await nodeOf(window, stalled))?.row.description ?? "", /^stalled, silent 1 h/);
  window.editor.onPick = (title) => (title === "Recover a session" ? "app" : undefined);
  await window.run("recoverSession");
  assert.deepEqual(window.editor.messages, []);
  const after = await session(window, "app");
  assert.deepEqual([after.status, after.epoch, after.currentTaskId], ["active", 2, stalled.currentTaskId]);
  assert.equal(after.machineId, (await session(window, "lib")).machineId);
  assert.ok((await window.rows()).includes("app [session active mine]"));
});

test("a failed session is recovered with the task whose program waits", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  await window.runProgram(ASK);
  const failed = await session(window, "app");
  const rs = await window.store.open();
  await rs.sessions.session.fail(failed.id, { reason: "test" });
  await waitUntil(async () => (await window.rows()).includes("app [session failed]"));
  await window.run("recoverSession", await nodeOf(window, failed));
  await waitUntil(async () => (await window.rows()).includes("app [session active mine]"));
  assert.ok((await window.rows()).includes("  trip [execution waiting_cc]"));
});

test("a session is paused, resumed and completed by its window only", async (t) => {
  const url = await folder(t);
  await using window = new FakeWindow(url, inFolder("app"));
  await window.runProgram(ASK);
  const own = await session(window, "app");
  await using other = new FakeWindow(url, inFolder("lib"));
  await session(other, "lib");
  await other.run("pauseSession", await nodeOf(other, own));
  assert.match(other.editor.messages.at(-1) ?? "", /does not drive the session “app”/);
  await window.run("pauseSession", await nodeOf(window, own));
  assert.equal((await window.rows()).filter((row) => row.startsWith("app"))[0], "app [session paused mine]");
  assert.doesNotMatch(await window.runProgram(ASK), /^task:/);
  await window.run("resumeSession", await nodeOf(window, own));
  await window.run("completeSession", await nodeOf(window, own));
  assert.ok((await window.rows()).includes("app [session completed]"));
  assert.match(await window.runProgram(ASK), /^task:/);
  assert.equal((await session(window, "app", ({ status }) => status === "active")).epoch, 1);
});

test("the execution of a task is exported and imported", async () => {
  await using window = new FakeWindow("memory:", inFolder("app"));
  const id = await window.runProgram(ASK);
  const rs = await window.store.open();
  await using other = await open("memory:");
  await other.import(await rs.export({ execution: id }));
  assert.equal((await other.run(id)).status, "waiting_cc");
});
