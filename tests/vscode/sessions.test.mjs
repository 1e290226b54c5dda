// Sessions of the extension in a real VS Code: the session of a window that is gone is shown in another one, and continues there.
//
// The variables of the environment are those of `extension.test.mjs`.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { open } from "../../examples/vscode-extension/node_modules/runstate/dist/node.js";
import { simulated } from "../../examples/vscode-extension/node_modules/runstate/dist/testing-node.js";
import { FULL, IN_FULL } from "../browser/support/full.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench, inBrowser } from "./support/workbench.js";

const VSIX = process.env.RUNSTATE_VSIX ?? "";
const TRIP = await readFile(new URL("../../examples/vscode-extension/programs/trip.run.ts", import.meta.url), "utf8");

/** The folder of the second window. */
const SECOND = "reports";

let bench;
let server;

before(async () => {
  if (!FULL) return;
  bench = await newWorkbench(VSIX, { "trip.run.ts": TRIP });
  await mkdir(join(bench.folder, SECOND));
  await addSilentSession(join(bench.user, "User/globalStorage/runstate.runstate-vscode/store"));
  server = await startServer(bench);
});

after(async () => {
  await server?.stop();
  await bench?.remove();
});

/** Puts a session into a store as a window leaves it that was closed an hour ago, while its task waits. */
async function addSilentSession(store) {
  const world = await simulated({ now: Date.now() - 3_600_000 });
  const early = await world.open("memory:");
  await early.load({ name: "review", source: 'CC("May the release be published?", { choices: ["yes", "no"] });' });
  await early.sessions.machine.register("laptop", { hostname: "laptop" });
  await early.sessions.session.create({ id: "silent", project: "website", machine: "laptop" });
  await early.sessions.task.add("silent", { id: "review", name: "Review the release", program: "review" });
  await early.sessions.task.start("review");
  await mkdir(join(store, ".."), { recursive: true });
  const rs = await open(`file:${store}`, { timers: "off" });
  await rs.import(await early.export());
  await rs.close();
  await early.close();
}

/** The row of a session, by its project and by its state. */
function session(workbench, project, state) {
  return workbench.page.locator(`.sidebar .monaco-list-row:has-text("${project}"):has-text("${state}")`).first();
}

test("the session of a window that is gone continues in another one", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const second = await Workbench.open(browser, server.urlOf(join(bench.folder, SECOND)));
    await second.showTree();
    await session(second, SECOND, "this window").waitFor();
    // The sweep of this window stalls the session whose last heartbeat is an hour old.
    await session(second, "website", "stalled, silent 1 h").waitFor();
    await second.row("May the release be published?").waitFor();
    await second.screenshot("session-stalled");
    await session(second, "website", "stalled").hover();
    await session(second, "website", "stalled").locator('.action-label[aria-label*="Recover Session"]').click();
    await second.page.locator('.monaco-dialog-box:has-text("Recover the session “website” in this window?")').waitFor();
    await second.screenshot("session-recover");
    await second.confirm("Recover");
    await session(second, "website", "this window").waitFor();

    const hosts = await server.extensionHosts();
    const first = await Workbench.open(browser, server.url);
    await first.openProgram("trip.run.ts");
    await first.showTree();
    await first.command("Runstate: Run Current File");
    await first.choice("Oslo").waitFor();
    await first.page.keyboard.press("Escape");
    await first.row("Where do you want to go?").waitFor();
    await first.screenshot("session-task");
    const killed = (await server.extensionHosts()).filter((pid) => !hosts.includes(pid));
    assert.equal(await server.killExtensionHosts(killed), 1);

    await second.page.bringToFront();
    await session(second, "workspace", "0/1").waitFor();
    await second.command("Runstate: Move Session to This Window");
    await second.choice("workspace").click();
    await second.confirm("Move");
    await session(second, "workspace", "this window").waitFor();
    await second.openRow("Where do you want to go?", second.choice("Oslo"));
    await second.choice("Oslo").click();
    await second.quickInput("How many days in Oslo?").waitFor();
    await second.page.keyboard.press("Escape");
    await second.row("How many days in Oslo?").waitFor();
    await second.screenshot("session-moved");

    await first.page.bringToFront();
    // Its host was restarted by the editor.
    await first.message("The session “workspace” continues in another window.").waitFor();
    await session(first, "workspace", "this window").waitFor();
    await first.screenshot("session-replaced");
  });
});
