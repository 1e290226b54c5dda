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

test("a program is run, listed, shown and answered to its end", (t) => {
  const { runstate } = setUpFolder(t);
  const started = runstate("run", "order.ts", "--id", "o1");
  assert.deepEqual([started.status, started.stdout], [3, "begin\n? size?\n  1) small\n  2) large\n"]);
  assert.match(started.stderr, /^execution o1 of order in file:store\no1 waits for an answer: runstate answer o1 --call /);
  assert.match(runstate("list").stdout, /^o1 {2}order {2}waiting_cc {2}\S+ {2}size\?\n$/);
  assert.match(runstate("show", "o1").stdout, /output: \[ 'begin' \][^]*status: 'waiting_cc'/);
  assert.equal(runstate("answer", "o1", "--text", "huge").status, 5);
  assert.equal(runstate("answer", "o1", "--key", "size", "--text", "large").status, 3);
  const [{ prompt, requestedAt }] = JSON.parse(runstate("show", "o1", "--json").stdout).calls;
  assert.deepEqual([prompt, typeof requestedAt], ["why?", "string"]);
  const done = runstate("answer", "o1", "--json-value", '"so"', "--json");
  const { status, result, started: at } = JSON.parse(done.stdout);
  assert.deepEqual([done.status, status, result], [0, "complete", "large, so"]);
  assert.match(at, /^\d{4}-\d\d-\d\dT.*Z$/);
});

test("an export continues in the store that imports it", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.equal(runstate("run", "order.ts", "--id", "o1").status, 3);
  assert.equal(runstate("export", "all.jsonl").status, 0);
  assert.equal(runstate("export", "all.jsonl").status, 2);
  assert.deepEqual(readdirSync(at).filter((name) => name.endsWith(".part")), []);
  const lines = readFileSync(join(at, "all.jsonl"), "utf8");
  assert.equal(runstate("export", "-").stdout.split("\n").length, lines.split("\n").length);
  assert.equal(runstate("import", "all.jsonl", "--store", "file:two").status, 0);
  assert.equal(runstate("answer", "o1", "--text", "small", "--store", "file:two").status, 3);
  assert.match(runstate("list").stdout, /size\?\n$/);
});

test("read-only verbs create no store, and a non-UTF-8 answer is refused", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.deepEqual([runstate("list").status, readdirSync(at)], [4, ["order.ts"]]);
  assert.equal(runstate("run", "order.ts", "--id", "o1").status, 3);
  writeFileSync(join(at, "noise"), new Uint8Array([0x61, 0xc3, 0xa9, 0xef, 0xbf, 0x80, 0xfe]));
  writeFileSync(join(at, "large"), "x".repeat(2 ** 20 + 3));
  const noise = runstate("answer", "o1", "--file", "noise");
  assert.deepEqual([noise.status, /UTF-8/.test(noise.stderr)], [2, true]);
  const stderr = "error: the answer is larger than 1048576 bytes; nothing was changed\n";
  assert.deepEqual(runstate("answer", "o1", "--file", "large"), { status: 5, stdout: "", stderr });
  assert.equal(runstate("--store", "file:~/store", "show", "o1").status, 0);
});

test("an unusable file or flag is refused before the store is opened", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "bad.ts"), "let a = nix;\n");
  for (const words of [
    ["run", "nowhere.ts"], ["run", "bad.ts"], ["run", "order.ts", "--input", "{"], ["answer", "o1"], ["answer", "o1", "--json-value", "{"], ["answer", "o1", "--file", "nowhere"],
    ["run", "order.ts", "--limit", "1"], ["answer", "o1", "--text", "a", "--text", "b"], ["import", "order.ts", "--execution", "e"],
  ]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 2, `${words.join(" ")}: ${stderr}`);
  }
  assert.deepEqual(readdirSync(at).sort(), ["bad.ts", "order.ts"]);
});

test("an answer of a file or of standard input lacks its last line end", (t) => {
  const { at, runstate, piped } = setUpFolder(t);
  writeFileSync(join(at, "echo.ts"), 'function main() { return CC("text?"); }\n');
  writeFileSync(join(at, "answer"), "\ufeffa\n\r\n");
  const echo = (id, input, file) => {
    assert.equal(runstate("run", "echo.ts", "--id", id).status, 3);
    const { status, stderr } = piped(input, "answer", id, "--file", file);
    assert.equal(status, 0, stderr);
    return JSON.parse(runstate("show", id, "--json").stdout).result;
  };
  assert.equal(echo("e1", "ignored", "answer"), "\ufeffa\n");
  assert.equal(echo("e2", "b\n", "-"), "b");
  assert.equal(echo("e3", "c\r", "-"), "c\r");
  assert.equal(echo("e4", "", "-"), "");
});

test("answers come line by line through a pipe", (t) => {
  const { piped } = setUpFolder(t);
  const run = piped("large\r\nbecause", "run", "order.ts", "--id", "o1");
  assert.equal(run.status, 0, run.stderr);
  assert.equal(run.stdout, "begin\n? size?\n  1) small\n  2) large\n> large\n? why?\n> because\n= large, because\n");
  const json = piped("1\nso\n", "run", "order.ts", "--id", "o2", "--json");
  assert.deepEqual([json.status, JSON.parse(json.stdout).result], [0, "small, so"]);
  const partial = piped("2\n", "run", "order.ts", "--id", "o3");
  assert.deepEqual([partial.status, partial.stdout.endsWith("? why?\n")], [3, true]);
  assert.equal(piped("so\n", "answer", "o3", "--file", "-").status, 0);
  const wrong = piped("huge\nsmall\n", "run", "order.ts", "--id", "o4");
  assert.equal(wrong.status, 5);
  assert.match(wrong.stderr, /the answer to `size\?` is invalid: `huge` is not one of the choices/);
});

test("a line that comes after a deadline answers the next question", { timeout: 60_000 }, async (t) => {
  const { at, env } = setUpFolder(t);
  const source = 'function main() { return CC("first?", { timeoutMs: 1000, default: "none" }) + ", " + CC("second?"); }';
  writeFileSync(join(at, "order.ts"), source);
  const child = spawn(process.execPath, [CLI, "run", "order.ts", "--id", "o1"], { cwd: at, env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  const ended = once(child, "close");
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (data) => {
    shown += data;
    if (/\? second\?\n$/.test(shown)) child.stdin.end("because\n");
  });
  assert.deepEqual(await ended, [0, null], shown);
  assert.match(shown, /= none, because\n$/);
});

test("answer refuses --occurrence without --key", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("run", "order.ts", "--id", "o1").status, 3);
  const { status, stderr } = runstate("answer", "o1", "--text", "a", "--occurrence", "2");
  assert.deepEqual([status, stderr], [2, "error: cvm.answer: `occurrence` counts the calls with a `key`; pass the key\n"]);
});

test("answer refuses more than one answer and stores none", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("run", "order.ts", "--id", "o1").status, 3);
  for (const flags of [["--text", "small", "--file", "order.ts"], ["--text", "small", "--json-value", '"large"'], []]) {
    const stderr = "error: the answer must be given once: use --text, --json-value or --file\n";
    assert.deepEqual(runstate("answer", "o1", ...flags), { status: 2, stdout: "", stderr });
  }
  assert.match(runstate("list").stdout, /^o1 .*size\?$/m);
});

test("a value with a leading hyphen follows an equals sign", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "echo.ts"), 'function main() { return CC(input, { key: "-k" }); }\n');
  assert.match(runstate("run", "echo.ts", "--id=-e", "--input=-5").stdout, /\? -5\n$/);
  const { status, stderr } = runstate("answer", "e1", "--text", "-5");
  assert.deepEqual([status, /--text=-XYZ/.test(stderr)], [2, true]);
  assert.equal(JSON.parse(runstate("answer", "--text=-5", "--json", "--key=-k", "--", "-e").stdout).result, "-5");
});

test("at a terminal it asks until it has an answer", { timeout: 120_000 }, async (t) => {
  const { at, env } = setUpFolder(t);
  // The program `script` provides the terminal.
  const command = `${process.execPath} ${CLI} run order.ts --id o1`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: at, env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  let shown = "";
  const answers = [[/2\) large[^]*> /, "huge\n"], [/not one of the choices[^]*> /, "2\n"], [/why\?[^]*> /, "because\n"]];
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
  const [, id] = /^execution (\S+) of long in file:store\n/.exec(remark);
  while (runstate("show", id, "--json").status !== 0);
  child.kill("SIGKILL");
  await once(child, "close");
  assert.match(runstate("show", id).stdout, /status: 'running'/);
});

test("usage errors exit with 2 and name the problem", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.equal(runstate("run", "order.ts", "--id", "o1").status, 3);
  for (const words of [[], ["fly"], ["run"], ["show", "a", "b"], ["list", "--color"], ["list", "--full"], ["answer", "o1", "--text", "y", "--occurrence", "one"]]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 2, words.join(" "));
    assert.match(stderr, /^error: /);
  }
  assert.equal(runstate("run", "nowhere.ts").status, 2);
  writeFileSync(join(at, "bad.ts"), "let a = 1;\nlet b = nix;\n");
  const bad = runstate("run", "bad.ts");
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /2:9: .*nix[^]* {4}let b = nix;\n/);
  assert.equal(JSON.parse(runstate("run", "bad.ts", "--json").stdout).code, "compile_error");
  assert.equal(runstate("show", "missing").status, 5);
  assert.equal(runstate("--store", "fiel:x", "list").status, 2);
  assert.equal(runstate("--store", "indexeddb:x", "list").status, 4);
});

test("a name of the object prototype is an unknown command", (t) => {
  const { runstate } = setUpFolder(t);
  for (const name of ["constructor", "toString", "__proto__"]) {
    const { status, stderr } = runstate(name);
    assert.equal(status, 2, stderr);
    assert.ok(stderr.startsWith(`error: \`${name}\` is not a command of this program: use run, `), stderr);
  }
});

test("help lists the verbs with the parameters of their operations", (t) => {
  const { runstate } = setUpFolder(t);
  const { status, stdout } = runstate("--help");
  assert.equal(status, 0);
  for (const verb of ["run", "answer", "list", "show", "export", "import"]) assert.match(stdout, new RegExp(`^  ${verb} `, "m"));
  assert.match(stdout, /--occurrence NUMBER/);
  assert.match(stdout, /native command line has all other commands/);
});

test("a command that reads a damaged store exits with 4", (t) => {
  const { at, runstate } = setUpFolder(t);
  for (const id of ["before", "behind"]) assert.equal(runstate("run", "order.ts", "--id", id).status, 3);
  const commits = readdirSync(join(at, "store/commits")).filter((name) => name.endsWith(".json")).sort().map((name) => join(at, "store/commits", name));
  const damaged = commits.find((file) => readFileSync(file, "utf8").includes('"behind"'));
  writeFileSync(damaged, readFileSync(damaged, "utf8").replace("behind", "beyond"));
  for (const words of [["list"], ["show", "before"], ["show", "behind"]]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 4, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, /^warning: .* is damaged: /);
  }
  assert.match(runstate("list").stdout, /^before /m);
  const { status, stdout } = runstate("list", "--json");
  const [summary, error] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([status, summary.id, error.code], [4, "before", "corrupt"]);
});

test("no error repeats the password of a URL", (t) => {
  const { env, runstate } = setUpFolder(t);
  for (const url of ["mongodb://us1r:a@hidden?w=1@h/app", "mongodb://us1r:a?hidden@h/app", "mongodb:us1r:hidden//a@h/app", "mongo://us1r:hidden@h/app"]) {
    for (const verb of [["list"], ["show", "x"]]) {
      for (const json of [[], ["--json"]]) {
        const { status, stdout, stderr } = runstate("--store", url, ...verb, ...json);
        assert.ok([2, 4].includes(status) && !/hidden|us1r/.test(stdout + stderr), `${verb} on ${url}: ${stdout}${stderr}`);
      }
    }
    Object.assign(env, { RUNSTATE_STORE: "", CVM_STORAGE_TYPE: "mongodb", MONGODB_URI: url });
    assert.doesNotMatch(runstate("list").stderr, /hidden|us1r/);
  }
});
