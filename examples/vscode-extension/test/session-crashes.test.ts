// A window that ends between any two commits: the next window of the workspace continues its session, and nothing is
// lost or doubled.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import type { Runstate } from "runstate";
import type { Session } from "runstate/sessions";
import { type World, simulated } from "runstate/testing";

import { FakeWindow, waitUntil } from "./fake-editor.ts";

const ASK = 'const a = CC("Continue?", { choices: ["yes"] }); console.log(a);';

/** The commits of a window until its program waits, and of a recovery. Tests with higher numbers end without a kill. */
const RUN_COMMITS = 9;
const RECOVERY_COMMITS = 6;

/** A store, and a window that does everything in a world whose process can be killed. */
async function openWindow(t: TestContext, name: string): Promise<{ url: string; world: World; window: FakeWindow }> {
  const folder = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  const url = `file:${folder}`;
  const world = await simulated({ now: Date.now() });
  const window = new FakeWindow(url, inFolder(name), (at, options) => world.open(at, options));
  await window.store.open();
  return { url, world, window };
}

function inFolder(name: string): (editor: FakeWindow["editor"]) => void {
  return (editor) => (editor.project = { id: `file:///${name}`, name });
}

async function sessionsOf(rs: Runstate): Promise<Session[]> {
  return (await rs.sessions.session.list()).items;
}

for (let nth = 1; nth <= RUN_COMMITS; nth++) {
  test(`a window that is killed after commit ${nth} is continued`, async (t) => {
    const { url, world, window: killed } = await openWindow(t, "app");
    world.fail({ on: "commit", nth, fault: "dies_after" });
    await killed.runProgram(ASK);
    await killed.kill();

    await using window = new FakeWindow(url, inFolder("app"));
    await waitUntil(async () => (await window.rows()).includes("app [session active mine]"));
    const rs = await window.store.open();
    const statuses = async () => (await rs.sessions.task.list()).items.map(({ status }) => status);
    // A task that was added is started.
    await waitUntil(async () => (await statuses()).every((status) => status === "in_progress"));
    assert.deepEqual((await sessionsOf(rs)).map(({ epoch, status }) => [epoch, status]), [[1, "active"]]);
    if ((await statuses()).length === 0) await window.runProgram(ASK);
    assert.deepEqual(await statuses(), ["in_progress"]);
    await window.store.refresh();
    assert.equal(window.store.snapshot.executions.length, 1);
    window.editor.onPick = () => "yes";
    await window.run("answer", (await window.waiting())[0]?.id);
    assert.deepEqual(await window.rows(), ["app [session active mine]", "  trip [execution complete]"]);
    assert.deepEqual(window.editor.messages, []);
  });
}

for (let nth = 1; nth <= RUN_COMMITS; nth++) {
  test(`a program is run once if the disk is full at commit ${nth}`, async (t) => {
    const { url, world, window } = await openWindow(t, "app");
    await using other = new FakeWindow(url);
    await using _ = window;
    world.fail({ on: "commit", nth, fault: "full" });
    await window.runProgram(ASK);
    const [message] = window.editor.messages;
    if (message !== undefined && !message.includes("do not run it again")) await window.runProgram(ASK);
    await waitUntil(async () => (await other.rows()).join().includes("trip"));
    const rs = await other.store.open();
    await waitUntil(async () => (await rs.sessions.task.list()).items.every(({ status }) => status === "in_progress"));
    await window.run("refresh");
    await other.store.refresh();
    assert.equal(other.store.snapshot.executions.length, 1);
  });
}

for (let nth = 1; nth <= RECOVERY_COMMITS; nth++) {
  test(`a window that is killed after commit ${nth} of a recovery is continued`, async (t) => {
    const { url, world, window: killed } = await openWindow(t, "lib");
    await using first = new FakeWindow(url, inFolder("app"));
    await first.runProgram(ASK);
    await waitUntil(async () => (await killed.rows()).includes("lib [session active mine]"));
    const node = (await killed.nodes()).find(({ row }) => row.label === "app");
    world.fail({ on: "commit", nth, fault: "dies_after" });
    await killed.run("moveSession", node);
    await killed.kill();

    // The session is driven by exactly one window: by the first one, or by the continued second one.
    await using second = new FakeWindow(url, inFolder("lib"));
    await waitUntil(async () => (await second.rows()).includes("lib [session active mine]"));
    const mine = async (window: FakeWindow) => (await window.rows()).includes("app [session active mine]");
    await waitUntil(async () => (await mine(first)) !== (await mine(second)));
    const rs = await second.store.open();
    const app = (await sessionsOf(rs)).filter(({ projectId }) => projectId === "app");
    assert.deepEqual(app.map(({ epoch, openTasks }) => [epoch, openTasks]), [[(await mine(second)) ? 2 : 1, 1]]);
    assert.equal((await sessionsOf(rs)).length, 2);
  });
}
