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

test("a program is loaded, started, listed, shown and answered to its end", (t) => {
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
  writeFileSync(join(at, "noise"), new Uint8Array([0x61, 0xc3, 0xa9, 0xef, 0xbf, 0x80, 0xfe]));
  writeFileSync(join(at, "large"), "x".repeat(2 ** 20 + 3));
  const advice = "Convert the text to UTF-8, or encode binary data, for example as base64";
  for (const [file, problem] of [
    ["noise", `noise is not valid UTF-8: byte 7 is the first invalid byte; nothing was changed. ${advice}`],
    ["large", "the answer from large is larger than 1048576 bytes; nothing was changed"],
  ]) {
    assert.deepEqual(runstate("answer", "o1", "--file", file), { status: 5, stdout: "", stderr: `error: ${problem}\n` });
  }
  assert.equal(runstate("--store", "file:~/store", "show", "o1").status, 0);
});

test("an unusable file or flag is refused before the store is opened", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "bad.ts"), "let a = nix;\n");
  for (const words of [
    ["run", "nowhere.ts"], ["load", "nowhere.ts"], ["run", "bad.ts"], ["load", "bad.ts"], ["run", "order.ts", "--input", "{"],
    ["start", "order", "--input", "{"], ["answer", "o1"], ["answer", "o1", "--json-value", "{"], ["answer", "o1", "--file", "nowhere"],
  ]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 2, `${words.join(" ")}: ${stderr}`);
    assert.doesNotMatch(stderr, /created/);
  }
  assert.deepEqual(readdirSync(at).sort(), ["bad.ts", "order.ts"]);
});

test("an answer of a file or of standard input lacks its last line end", (t) => {
  const { at, runstate, piped } = setUpFolder(t);
  writeFileSync(join(at, "echo.ts"), 'CC("text?");\n');
  writeFileSync(join(at, "answer"), "\ufeffa\n\r\n");
  assert.equal(runstate("load", "echo.ts").status, 0);
  const echo = (id, input, file) => {
    assert.equal(runstate("start", "echo", "--id", id).status, 3);
    const { status, stderr } = piped(input, "answer", id, "--file", file);
    assert.equal(status, 0, stderr);
    const [call] = runstate("calls", id, "--json").stdout.trim().split("\n").map((line) => JSON.parse(line));
    return call.result;
  };
  assert.equal(echo("e1", "ignored", "answer"), "\ufeffa\n");
  assert.equal(echo("e2", "b\n", "-"), "b");
  assert.equal(echo("e3", "c\r", "-"), "c\r");
  assert.equal(echo("e4", "", "-"), "");
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
  const partial = piped("2\n", "run", "order.ts", "--id", "o3");
  assert.deepEqual([partial.status, partial.stdout.endsWith("? why?\n")], [3, true]);
  assert.equal(piped("so\n", "resume", "o3").status, 0);
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

test("list --active finds the executions of a program behind newer ones", (t) => {
  const { runstate } = setUpFolder(t);
  for (const [program, id] of [["a", "a1"], ["a", "a2"], ["b", "b1"]]) {
    assert.equal(runstate("load", "order.ts", "--name", program).status, 0);
    assert.equal(runstate("start", program, "--id", id).status, 3);
  }
  const ids = (...flags) => runstate("list", "--active", ...flags, "--json").stdout.trim().split("\n").map((line) => JSON.parse(line).id);
  assert.deepEqual(ids("--program", "a", "--limit", "1"), ["a2"]);
  assert.deepEqual(ids("--program", "a"), ["a2", "a1"]);
  assert.deepEqual(ids("--limit", "2"), ["b1", "a2"]);
});

test("list refuses --active together with --status", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  assert.deepEqual(runstate("list", "--active", "--status", "paused"), {
    status: 2, stdout: "", stderr: "error: the argument '--active' cannot be used with '--status <STATUS>'\n",
  });
});

test("a limit of 0 is refused before the store is opened", (t) => {
  const { at, runstate } = setUpFolder(t);
  for (const [words, problem] of [
    [["list", "--limit", "0"], "invalid value '0' for '--limit <N>': 0 is not in 1..=4294967295"],
    [["list", "--active", "--limit", "0"], "invalid value '0' for '--limit <N>': 0 is not in 1..=4294967295"],
    [["calls", "--limit", "4294967296"], "invalid value '4294967296' for '--limit <N>': 4294967296 is not in 1..=4294967295"],
    [["answer", "o1", "--text", "a", "--key", "k", "--occurrence", "0"], "invalid value '0' for '--occurrence <N>': 0 is not in 1..=4294967295"],
  ]) {
    assert.deepEqual(runstate(...words), { status: 2, stdout: "", stderr: `error: ${problem}\n` });
  }
  assert.deepEqual(readdirSync(at), ["order.ts"]);
});

test("answer refuses --occurrence without --key", (t) => {
  const { runstate } = setUpFolder(t);
  assert.deepEqual(runstate("answer", "o1", "--text", "a", "--occurrence", "2"), {
    status: 2, stdout: "", stderr: "error: the following required arguments were not provided:\n  --key <K>\n",
  });
});

test("answer refuses more than one answer and stores none", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  assert.equal(runstate("start", "order", "--id", "o1").status, 3);
  for (const [flags, problem] of [
    [["--text", "small", "--file", "order.ts"], "'--text <T>' cannot be used with '--file <F>'"],
    [["--text", "small", "--json-value", '"large"'], "'--text <T>' cannot be used with '--json-value <J>'"],
    [["--json-value", '"large"', "--file", "x", "--text", ""], "'--json-value <J>' cannot be used with:\n  --file <F>\n  --text <T>"],
  ]) {
    assert.deepEqual(runstate("answer", "o1", ...flags), { status: 2, stdout: "", stderr: `error: the argument ${problem}\n` });
  }
  assert.match(runstate("list").stdout, /^o1 .*size\?$/m);
});

test("a value with a leading hyphen is accepted", (t) => {
  const { at, runstate } = setUpFolder(t);
  writeFileSync(join(at, "echo.ts"), 'CC(input, { key: "-k" });\n');
  assert.equal(runstate("load", "echo.ts", "--command-id", "-c").status, 0);
  assert.match(runstate("start", "echo", "--id", "-e", "--input", "-5").stdout, /\? -5\n$/);
  for (const [id, ...flags] of [
    ["e1", "--text", "-5"], ["e2", "--text", "--help"], ["e3", "--text", "--json", "--key", "-k"], ["e4", "--text", "--"], ["e5", "--json-value", "-5"],
  ]) {
    assert.equal(runstate("start", "echo", "--id", id, "--input", '"?"').status, 3);
    const { status, stderr } = runstate("answer", id, ...flags);
    assert.equal(status, 0, stderr);
    const [call] = runstate("calls", id, "--json").stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(call.result, flags[0] === "--text" ? flags[1] : -5);
  }
  for (const words of [["list", "--program", "-x"], ["answer", "e1", "--text", "x", "--by", "-x"], ["show", "-e"]]) {
    assert.equal(runstate(...words).status, 2, words.join(" "));
  }
});

test("a repeated flag is refused, before and after the verb", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  for (const [words, usage] of [
    [["answer", "o1", "--text", "a", "--text", "b"], "--text <T>"],
    [["list", "--active", "--active"], "--active"],
    [["list", "--limit", "1", "--program", "x", "--limit=2"], "--limit <N>"],
    [["--store", "file:store", "--store", "file:store", "list"], "--store <URL>"],
  ]) {
    const stderr = `error: the argument '${usage}' cannot be used multiple times\n`;
    assert.deepEqual(runstate(...words), { status: 2, stdout: "", stderr });
  }
  assert.equal(runstate("--store", "file:nowhere", "list", "--store", "file:store").status, 0);
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
  for (const words of [[], ["fly"], ["run"], ["show", "a", "b"], ["list", "--color"], ["answer", "x", "--text", "y", "--occurrence", "one"]]) {
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

test("a name of the object prototype is an unknown command", (t) => {
  const { runstate } = setUpFolder(t);
  for (const name of ["constructor", "toString", "__proto__"]) {
    const { status, stderr } = runstate(name);
    assert.equal(status, 2, stderr);
    assert.ok(stderr.startsWith(`error: \`${name}\` is not a command of this program: use run, `), stderr);
  }
});

test("a flag of a verb before the verb is refused", (t) => {
  const { runstate } = setUpFolder(t);
  assert.equal(runstate("--store", "file:store", "--json", "load", "order.ts").status, 0);
  for (const [flag, ...words] of [["--command-id", "c1", "start", "order"], ["--id=o1", "start", "order"], ["--status", "list"], ["--active"]]) {
    const { status, stderr } = runstate("--store", "file:store", flag, ...words);
    assert.equal(status, 2, stderr);
    assert.equal(stderr.split(": ")[1], `\`${flag.split("=")[0]}\` cannot come before the command`);
  }
  assert.match(runstate("list").stderr, /^no executions/);
  assert.equal(runstate("start", "order", "--command-id", "c1").status, 3);
});

test("help lists the verbs, and --version prints the version", (t) => {
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
  const intact = runstate("verify");
  assert.equal(intact.status, 0, intact.stderr);
  assert.match(intact.stdout, /^the store at store is intact: \d+ documents, \d+ commits/);
  const commits = join(at, "store/commits");
  const last = join(commits, readdirSync(commits).filter((name) => name.endsWith(".json")).sort().at(-1));
  writeFileSync(last, readFileSync(last, "utf8").replace("order", "odder"));
  const damaged = runstate("verify");
  assert.equal(damaged.status, 4);
  assert.match(damaged.stderr, /is damaged/);
  assert.equal(JSON.parse(runstate("verify", "--json").stdout).ok, false);
  assert.match(runstate("--store", "memory:", "verify").stdout, /^the store at memory: is intact/);
});

test("a command that reads a damaged store exits with 4", (t) => {
  const { at, runstate } = setUpFolder(t);
  assert.equal(runstate("load", "order.ts").status, 0);
  for (const id of ["before", "behind"]) assert.equal(runstate("start", "order", "--id", id).status, 3);
  const commits = readdirSync(join(at, "store/commits")).filter((name) => name.endsWith(".json")).sort().map((name) => join(at, "store/commits", name));
  const damaged = commits.find((file) => readFileSync(file, "utf8").includes('"behind"'));
  writeFileSync(damaged, readFileSync(damaged, "utf8").replace("behind", "beyond"));
  for (const words of [["list"], ["show", "before"], ["calls"], ["variables", "before"], ["resume", "before"], ["show", "behind"], ["health"]]) {
    const { status, stderr } = runstate(...words);
    assert.equal(status, 4, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, /^warning: .* is damaged: .*\. Undamaged data can be read; data that is missing may have been in the damaged part\n/);
  }
  assert.match(runstate("list").stdout, /^before /m);
  const { status, stdout } = runstate("list", "--json");
  const [summary, error] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([status, summary.id, error.code], [4, "before", "corrupt"]);
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
