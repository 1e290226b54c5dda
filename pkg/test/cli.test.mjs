// `npx runstate`: its verbs over a file store. The exit codes equal those of the native command line.

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
  const size = CC("size?", { choices: ["small", "large"], key: "size" });
  return size + ", " + CC("why?");
}`;

/** A folder with a program, and the command line in it. */
function setUpFolder(t) {
  const at = folder(t);
  writeFileSync(join(at, "order.ts"), SOURCE);
  const env = { PATH: process.env.PATH, HOME: at, RUNSTATE_STORE: "file:store" };
  const run = (args, options = {}) => {
    const all = { cwd: at, env, encoding: "utf8", input: "", timeout: 60_000, ...options };
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], all);
    return { status, stdout, stderr };
  };
  return { at, env, runstate: (...args) => run(args), piped: (input, ...args) => run(args, { input }), run };
}

test("a program is loaded, started, looked at and answered to its end", (t) => {
  const { runstate } = setUpFolder(t);
  assert.deepEqual(runstate("load", "order.ts"), {
    status: 0, stdout: "order (version 1)\n", stderr: "start it with: runstate start order\n",
  });
  const started = runstate("start", "order", "--id", "o1");
  assert.equal(started.status, 3);
  assert.equal(started.stdout, "begin\n? size?\n  1) small\n  2) large\n");
  assert.match(started.stderr, /o1 waits for an answer\. Continue with: runstate resume o1/);
  assert.match(runstate("list").stdout, /^ID\s+PROGRAM\s+STATUS\s+STARTED\s+QUESTION\no1\s+order\s+waiting_cc\s.*size\?\n$/);
  assert.match(runstate("show", "o1").stdout, /status {7}waiting_cc\n[^]*output\n {2}begin\n/);
  assert.equal(runstate("answer", "o1", "--text", "huge").status, 5);
  assert.equal(runstate("answer", "o1", "--key", "size", "--text", "large").status, 3);
  const [call] = runstate("calls", "o1", "--open", "--json").stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([call.prompt, typeof call.askedAt], ["why?", "string"]);
  const done = runstate("answer", "o1", "--json-value", '"so"', "--json");
  const { status, result, started: at } = JSON.parse(done.stdout);
  assert.deepEqual([done.status, status, result], [0, "complete", "large, so"]);
  assert.match(at, /^\d{4}-\d\d-\d\dT.*Z$/);
});

test("read-only verbs create no store, and a non-UTF-8 answer is refused", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.deepEqual([runstate("list").status, readdirSync(at)], [4, ["order.ts"]]);
  assert.equal(runstate("load", "order.ts").status, 0);
  assert.equal(runstate("start", "order", "--id", "o1").status, 3);
  writeFileSync(join(at, "noise"), new Uint8Array([0xff, 0xfe, 0x80]));
  const noise = runstate("answer", "o1", "--file", "noise");
  assert.equal(noise.status, 2);
  assert.match(noise.stderr, /noise cannot be read/);
  assert.equal(runstate("--store", "file:~/store", "show", "o1").status, 0);
});

test("without a terminal run exits with 3, and resume continues it", (t) => {
  const { runstate } = setUpFolder(t);
  const run = runstate("run", "order.ts", "--id", "o1");
  assert.deepEqual([run.status, run.stdout], [3, "begin\n? size?\n  1) small\n  2) large\n"]);
  assert.equal(runstate("resume", "o1").status, 3);
});

test("answers come line by line through a pipe", (t) => {
  const { piped } = setUpFolder(t);
  const run = piped("large\r\nbecause", "run", "order.ts", "--id", "o1");
  assert.equal(run.status, 0, run.stderr);
  assert.equal(run.stdout, "begin\n? size?\n  1) small\n  2) large\n> large\n? why?\n> because\n= large, because\n");
  const json = piped("1\nso\n", "run", "order.ts", "--id", "o2", "--json");
  assert.deepEqual([json.status, JSON.parse(json.stdout).result], [0, "small, so"]);
  const begun = piped("2\n", "run", "order.ts", "--id", "o3");
  assert.deepEqual([begun.status, begun.stdout.endsWith("? why?\n")], [3, true]);
  assert.equal(piped("so\n", "resume", "o3").status, 0);
  const wrong = piped("huge\nsmall\n", "run", "order.ts", "--id", "o4");
  assert.equal(wrong.status, 5);
  assert.match(wrong.stderr, /the answer to `size\?` is invalid: `huge` is none of the choices/);
});

test("a store where no folder can be made fails at once", { skip: process.platform !== "linux" && "there is no /proc" }, (t) => {
  const { runstate } = setUpFolder(t);
  const { status, stderr } = runstate("load", "order.ts", "--store", "file:/proc/x/y");
  assert.equal(status, 4, stderr);
  assert.match(stderr, /\/proc\/x\/y: its folder cannot be created there/);
});

test("the default store is explained when it is made and where it fails", (t) => {
  const { env, run } = setUpFolder(t);
  const { RUNSTATE_STORE, ...plain } = env;
  const explained = /the default store, the folder `\.cvm` in the home directory that the older CVM uses too/;
  assert.match(run(["list"], { env: plain }).stderr, explained);
  const made = run(["load", "order.ts"], { env: plain });
  assert.equal(made.status, 0);
  assert.match(made.stderr, explained);
  assert.doesNotMatch(run(["load", "order.ts"], { env: plain }).stderr, explained);
  const nowhere = run(["list"], { env: { ...plain, RUNSTATE_STORE: "file:nowhere" } });
  assert.match(nowhere.stderr, /file:nowhere is the store that RUNSTATE_STORE names/);
  assert.doesNotMatch(run(["list", "--store", "redis://x"]).stderr, /mongodb|indexeddb|postgres/);
});

test("variables lists frames, and load --id sets the program's id", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "shop.ts"), "const seen = new Map([['a', NaN]]);\nfunction ask(n) { return CC('?'); }\nask(-0);\n");
  assert.equal(runstate("load", "shop.ts", "--id", "p1").status, 0);
  assert.equal(runstate("start", "shop", "--id", "s1").status, 3);
  const output = runstate("variables", "s1").stdout;
  assert.match(output, /^ask \(line 2\)\n {2}n = -0\n<program> \(line 3\)\n(.*\n)* {2}seen = Map\(1\) \{ 'a' => NaN \}\n/);
  const [frame] = runstate("variables", "s1", "seen", "--json").stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(frame.variables[0].value, { $map: [["a", { $number: "NaN" }]] });
  assert.match(runstate("show", "s1").stdout, /variables\n {2}ask \(line 2\)\n {4}n = -0\n/);
  assert.equal(runstate("variables", "s1", "nothing").status, 5);
  assert.equal(runstate("health").status, 0);
});

test("at a terminal it asks until it has an answer", { timeout: 120_000 }, async (t) => {
  const { at, env } = setUpFolder(t);
  // The program `script` provides the terminal.
  const command = `${process.execPath} ${CLI} run order.ts --id o1`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: at, env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  let shown = "";
  const answers = [[/2\) large[^]*> /, "huge\n"], [/none of the choices[^]*> /, "2\n"], [/why\?[^]*> /, "because\n"]];
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

test("run prints the execution id before the program's first stop", async (t) => {
  const { at, env, runstate } = setUpFolder(t);
  writeFileSync(join(at, "long.ts"), "let n = 0; while (true) n += 1;\n");
  const child = spawn(process.execPath, [CLI, "run", "long.ts"], { cwd: at, env, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const [remark] = await once(child.stderr.setEncoding("utf8"), "data");
  const [, id] = /^execution (\S+) of long\n/.exec(remark);
  while (runstate("show", id, "--json").status !== 0);
  child.kill("SIGKILL");
  await once(child, "close");
  assert.match(runstate("show", id).stdout, /status {7}running/);
});

test("an unknown program prints no id, a repeated command id the same one", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  const nowhere = runstate("start", "nowhere");
  assert.deepEqual([nowhere.status, /execution/.test(nowhere.stderr)], [5, false]);
  const [one, two] = [1, 2].map(() => runstate("start", "order", "--command-id", "c1").stderr.split("\n")[0]);
  assert.match(one, /^execution \S+ of order$/);
  assert.equal(one, two);
});

test("usage errors exit with 2 and name the problem", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  for (const words of [[], ["fly"], ["run"], ["show", "a", "b"], ["list", "--colour"], ["answer", "x", "--text", "y", "--occurrence", "one"]]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 2, words.join(" "));
    assert.match(stderr, /^error: /);
  }
  assert.equal(runstate("run", "nowhere.ts").status, 2);
  writeFileSync(join(at, "bad.ts"), "let a = 1;\nlet b = nix;\n");
  const bad = runstate("run", "bad.ts");
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /2:9: .*nix[^]* 2 \| let b = nix;\n {3}\| {9}\^/);
  assert.equal(JSON.parse(runstate("load", "bad.ts", "--json").stdout).code, "compile_error");
  assert.equal(runstate("show", "missing").status, 5);
  assert.equal(runstate("--store", "fiel:x", "list").status, 2);
  assert.equal(runstate("--store", "indexeddb:x", "list").status, 4);
});

test("help and version are there", (t) => {
  const { runstate } = setUpFolder(t);
  for (const verb of ["run", "show", "list", "answer", "verify", "start", "resume", "calls", "load"]) {
    assert.match(runstate("--help").stdout, new RegExp(`^  ${verb}`, "m"));
  }
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.equal(runstate("--version").stdout, `runstate ${version}\n`);
});

test("verify finds a damaged store", (t) => {
  const { at, runstate } = setUpFolder(t);
  runstate("load", "order.ts");
  const whole = runstate("verify");
  assert.equal(whole.status, 0, whole.stderr);
  assert.match(whole.stdout, /^the store at store is whole: \d+ documents, \d+ commits/);
  const commits = join(at, "store/commits");
  const last = join(commits, readdirSync(commits).filter((name) => name.endsWith(".json")).sort().at(-1));
  writeFileSync(last, readFileSync(last, "utf8").replace("order", "odder"));
  const damaged = runstate("verify");
  assert.equal(damaged.status, 4);
  assert.match(damaged.stderr, /is damaged/);
  assert.equal(JSON.parse(runstate("verify", "--json").stdout).ok, false);
  assert.match(runstate("--store", "memory:", "verify").stdout, /^the store at memory: is whole/);
});

test("no error repeats the password of a URL", (t) => {
  const { env, runstate } = setUpFolder(t);
  for (const url of ["mongodb://us1r:a@hidden?w=1@h/app", "mongodb://us1r:a?hidden@h/app", "mongodb:us1r:hidden//a@h/app", "mongo://us1r:hidden@h/app"]) {
    for (const verb of [["verify"], ["list"], ["show", "x"]]) {
      for (const json of [[], ["--json"]]) {
        const { status, stdout, stderr } = runstate("--store", url, ...verb, ...json);
        assert.ok([2, 4].includes(status) && !/hidden|us1r/.test(stdout + stderr), `${verb} on ${url}: ${stdout}${stderr}`);
      }
    }
    Object.assign(env, { RUNSTATE_STORE: "", CVM_STORAGE_TYPE: "mongodb", MONGODB_URI: url });
    assert.doesNotMatch(runstate("verify").stderr, /hidden|us1r/);
  }
});
