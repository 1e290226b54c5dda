// `npx runstate`: its commands over a file store.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { folder } from "./support.mjs";

const CLI = new URL("../dist/cli.js", import.meta.url).pathname;

const SOURCE = `function main() {
  console.log("begin");
  const size = CC("size?", { choices: ["small", "large"] });
  return size + ", " + CC("why?");
}`;

/** A folder with a program, and the command line in it. */
function setUpFolder(t) {
  const at = folder(t);
  writeFileSync(join(at, "order.ts"), SOURCE);
  const env = { PATH: process.env.PATH, HOME: at, RUNSTATE_STORE: "file:store" };
  const piped = (input, ...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { cwd: at, env, encoding: "utf8", input, timeout: 60_000 });
    return { status, stdout, stderr };
  };
  return { at, env, piped, runstate: (...args) => piped("", ...args) };
}

test("answers come line by line through a pipe", (t) => {
  const { piped } = setUpFolder(t);
  const question = "? size?\n  1) small\n  2) large\n";
  const run = piped("huge\n2\r\nbecause", "run", "order.ts");
  assert.deepEqual([run.status, run.stdout], [0, `begin\n${question}${question}? why?\n= large, because\n`], run.stderr);
  assert.match(run.stderr, /^execution \S+ of order in file:store\n[^]*"huge" was given/);
});

test("a program killed at its question is listed and resumed", { timeout: 60_000 }, async (t) => {
  const { at, env, piped, runstate } = setUpFolder(t);
  const child = spawn(process.execPath, [CLI, "run", "order.ts"], { cwd: at, env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let shown = "";
  for await (const data of child.stdout.setEncoding("utf8")) {
    shown += data;
    if (shown.endsWith("  2) large\n")) child.kill("SIGKILL");
  }
  assert.equal(child.signalCode ?? (await once(child, "exit"))[1], "SIGKILL");
  const [, id] = /^(\S+) {2}order {2}size\?\n$/.exec(runstate("list").stdout);
  const waiting = piped("large\n", "resume", id);
  assert.deepEqual([waiting.status, waiting.stdout], [3, `${shown}? why?\n`]);
  assert.equal(waiting.stderr, `${id} waits; continue it with: npx runstate resume ${id} --store file:store\n`);
  const ended = piped("because\n", "resume", id);
  assert.deepEqual([ended.status, ended.stdout], [0, "begin\n? why?\n= large, because\n"], ended.stderr);
  assert.equal(runstate("list").stdout, "");
});

test("data in the default folder of earlier versions is announced, until there is a store", (t) => {
  const { at, env: { RUNSTATE_STORE: _, ...env }, runstate } = setUpFolder(t);
  const run = () => spawnSync(process.execPath, [CLI, "run", "order.ts"], { cwd: at, env, encoding: "utf8", input: "", timeout: 60_000 });
  assert.equal(runstate("run", "order.ts", "--store", "file:~/.cvm").status, 3);
  const first = run();
  const hint = "~/.cvm has data that the default store, ~/.runstate, lacks. To import it with the native command line: ";
  assert.deepEqual([first.status, first.stderr.startsWith(`${hint}runstate --store file:~/.cvm export - | runstate import -\n`)], [3, true], first.stderr);
  const second = run();
  assert.deepEqual([second.status, second.stderr.includes(".cvm")], [3, false], second.stderr);
});

test("at a terminal it asks until it has an answer", { timeout: 120_000 }, async (t) => {
  const { at, env } = setUpFolder(t);
  // The program `script` provides the terminal.
  const command = `${process.execPath} ${CLI} run order.ts`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: at, env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  let shown = "";
  const answers = [[/2\) large[^]*> /, "huge\n"], [/"huge" was given[^]*> /, "2\n"], [/why\?[^]*> /, "because\n"]];
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.stdout.on("data", (data) => {
    shown += data;
    const [asked, answer] = answers[0] ?? [];
    if (asked === undefined || !asked.test(shown)) return;
    shown = "";
    answers.shift();
    child.stdin.write(answer);
  });
  assert.equal(await ended, 0, shown);
  assert.match(shown, /= large, because/);
});

test("an unknown command shows the help", (t) => {
  const { runstate } = setUpFolder(t);
  const help = runstate("--help");
  assert.deepEqual([help.status, help.stderr], [0, ""]);
  for (const words of [[], ["fly"], ["run"], ["resume", "a", "b"], ["list", "x"], ["constructor", "x"]]) {
    const stderr = `error: \`${words.join(" ")}\` is not one of these commands:\n\n${help.stdout}`;
    assert.deepEqual(runstate(...words), { status: 2, stdout: "", stderr });
  }
});

test("errors name the problem, and no secret", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "latin1.ts"), new Uint8Array([0xe9, 0x0a]));
  writeFileSync(join(at, "bad.ts"), "let a = 1;\nlet b = nix;\n");
  writeFileSync(join(at, "fails.ts"), 'throw new Error("boom");\n');
  const cases = [
    [2, /nowhere\.ts/, "run", "nowhere.ts"], [2, /utf-8/, "run", "latin1.ts"], [2, /--color/, "list", "--color"],
    [2, /fiel/, "list", "--store", "fiel:x"], [4, /^error: /, "list"],
    [2, /2:9: .*nix[^]* {4}let b = nix;\n/, "run", "bad.ts"], [1, /error: Error: boom \(line 1\)/, "run", "fails.ts"],
    [4, /missing/, "resume", "missing"],
  ];
  for (const [status, problem, ...words] of cases) {
    const result = runstate(...words);
    assert.equal(result.status, status, `${words.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, problem);
  }
  for (const url of ["mongodb://us1r:a@hidden?w=1@h/app", "mongodb://us1r:a?hidden@h/app", "mongodb:us1r:hidden//a@h/app", "mongo://us1r:hidden@h/app"]) {
    const { status, stdout, stderr } = runstate("list", "--store", url);
    assert.ok([2, 4].includes(status) && !/hidden|us1r/.test(stdout + stderr), `${url}: ${stdout}${stderr}`);
  }
});

test("a damaged store exits with 4", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "behind.ts"), SOURCE);
  for (const file of ["order.ts", "behind.ts"]) assert.equal(runstate("run", file).status, 3);
  const commits = readdirSync(join(at, "store/commits")).filter((name) => name.endsWith(".json")).map((name) => join(at, "store/commits", name));
  const damaged = commits.find((file) => readFileSync(file, "utf8").includes('"behind"'));
  writeFileSync(damaged, readFileSync(damaged, "utf8").replace("behind", "beyond"));
  const { status, stderr } = runstate("list");
  assert.equal(status, 4, stderr);
  assert.match(stderr, /^error: .* is damaged: /m);
});
