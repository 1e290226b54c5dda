// The chats in examples/adapters, with the SDKs that they are for and a server that plays the model. Each is killed
// while a refund waits for its approval, and started again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { IN_FULL } from "../browser/support/full.js";
import { serveModel } from "./adapters/model-server.mjs";
import { project, tool } from "./support/project.js";

const EXAMPLES = new URL("../../examples/adapters/", import.meta.url);
const PACKAGES = fileURLToPath(new URL("adapters/node_modules/", import.meta.url));

const CALLS = `import { open } from "runstate";
const rs = await open("file:./data");
const { items } = await rs.runs.calls();
const refunds = items.filter(({ kind }) => kind === "pay.refund");
console.log(JSON.stringify(refunds.map(({ outcome, approval }) => ({ outcome, approved: approval.approved, by: approval.by }))));
await rs.close();
`;

const OPTIONS = {
  target: "es2022", lib: ["es2023", "dom", "dom.iterable"], types: ["node"], module: "nodenext",
  strict: true, noUncheckedIndexedAccess: true, skipLibCheck: true, noEmit: true,
};

/** The timeout of a chat, in milliseconds: one that hangs must end. */
const TIMEOUT_MS = 120_000;

/** Creates a project of the examples and their SDKs. */
async function adapters(t) {
  const names = await readdir(EXAMPLES);
  const sources = await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, EXAMPLES), "utf8")]));
  const files = { ...Object.fromEntries(sources), "calls.js": CALLS, "tsconfig.json": JSON.stringify({ compilerOptions: OPTIONS }) };
  const here = await project(t, files, { types: true });
  for (const name of await readdir(PACKAGES)) {
    if (!name.startsWith(".") && name !== "@types") await symlink(join(PACKAGES, name), join(here.folder, "node_modules", name));
  }
  await here.run(tool("esbuild"), ...names, "--format=esm", "--outdir=.", "--log-level=warning");
  return here;
}

/** Runs a chat until it asks for the approval: then it is killed, or gets the answer and runs to its end. */
async function chat(cwd, name, model, answer) {
  // Traces would be sent to the address of OpenAI.
  const sdk = { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: "test-key", OPENAI_MODEL: "stand-in", OPENAI_AGENTS_DISABLE_TRACING: "1" };
  const env = { ...process.env, ...sdk, NO_COLOR: "1" };
  const program = spawn("node", [`${name}.js`], { cwd, env, timeout: TIMEOUT_MS });
  const ended = once(program, "exit");
  let [shown, errors] = ["", ""];
  program.stderr.on("data", (piece) => (errors += piece));
  for await (const piece of program.stdout) {
    const asked = shown.includes("approve?");
    shown += piece;
    if (asked || !shown.includes("approve?")) continue;
    if (answer === undefined) program.kill("SIGKILL");
    else program.stdin.end(`${answer}\n`);
  }
  const [code, signal] = await ended;
  return { code, signal, shown, errors };
}

test("docs/adapters.md shows parts of the examples", async () => {
  const page = await readFile(new URL("../../docs/adapters.md", import.meta.url), "utf8");
  const parts = [...page.matchAll(/^<!-- not run: .*-->\n```ts\n([\s\S]*?)^```/gm)].map(([, part]) => part);
  const sources = await Promise.all((await readdir(EXAMPLES)).map((name) => readFile(new URL(name, EXAMPLES), "utf8")));
  assert.equal(parts.length, 3);
  for (const part of parts) assert.ok(sources.some((source) => source.includes(part)), part);
});

test("the chats compile in one strict project", IN_FULL, async (t) => {
  const here = await adapters(t);
  await here.run(tool("tsc"), "--project", ".");
});

for (const name of ["ai-sdk", "openai-agents", "langgraph"]) {
  test(`${name}: a chat that was killed while it waits continues with the result of the approved call`, IN_FULL, async (t) => {
    const [here, model] = [await adapters(t), await serveModel()];
    t.after(model.close);
    const killed = await chat(here.folder, name, model);
    assert.equal(killed.signal, "SIGKILL", `${killed.shown}\n${killed.errors}`);
    assert.match(killed.shown, /The refund waits for an approval\./);
    await assert.rejects(readFile(join(here.folder, "refunds.txt")), { code: "ENOENT" });

    const before = model.requests.length;
    const ended = await chat(here.folder, name, model, "yes");
    assert.equal(ended.code, 0, `${ended.shown}\n${ended.errors}`);
    assert.match(ended.shown, /Refunded, with the receipts r-o-1\./);
    assert.equal(model.requests.length, before + 1, "the second run of the chat asks the model once");
    assert.equal(await readFile(join(here.folder, "refunds.txt"), "utf8"), "o-1\n");
    assert.deepEqual(JSON.parse(await here.run("node", "calls.js")), [{ outcome: "answered", approved: true, by: "ann" }]);
  });
}
