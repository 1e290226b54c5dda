#!/usr/bin/env node
// The program of `npx runstate …`: runs a program, asks its questions at the terminal, and resumes executions.

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, parse } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

import { ExecutionError, type CallView, type Run, type Runstate, RunstateError, open, version } from "./node.js";

const HELP = `npx runstate run FILE     starts a program, prints its output and asks you its questions
npx runstate resume ID    continues an execution, also after a crash
npx runstate list         lists the executions that wait
  --store URL             the store, as file:DIR; by default that of RUNSTATE_STORE, CVM_DATA_DIR or file:~/.runstate
exit codes: 0 complete or done · 1 the program failed · 2 usage or compile error · 3 the execution waits · 4 another error
The native command line has all other commands: \`cargo install --path cli\` in a clone of https://github.com/runstate/runstate`;

async function main(): Promise<number> {
  const options = { store: { type: "string" }, help: { type: "boolean" }, version: { type: "boolean" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help === true || values.version === true) return console.log(values.help === true ? HELP : version) ?? 0;
  const [command = "", operand = ""] = positionals;
  const isCommand = positionals.length === 2 ? ["run", "resume"].includes(command) : positionals.length === 1 && command === "list";
  if (!isCommand) throw new RunstateError({ code: "usage", message: `\`${positionals.join(" ")}\` is not one of these commands:\n\n${HELP}` });
  // Read first: a file that cannot be read creates no store.
  const source = command === "run" ? new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(operand)) : "";
  const url = values.store ?? (process.env["RUNSTATE_STORE"] || `file:${process.env["CVM_DATA_DIR"] || "~/.runstate"}`);
  if (url === "file:~/.runstate") announceOlderStore();
  await using rs = await open(url, { timers: "off", mustExist: command !== "run" });
  const damage = await rs.health();
  if (damage !== null) throw damage;
  if (command === "list") return await list(rs);
  return await drive(rs, await (command === "run" ? start(rs, operand, source) : rs.run(operand).then((run) => run.next())));
}

/** Says how data in `~/.cvm`, the default store of earlier versions, comes into the default store, if there is none yet. */
function announceOlderStore(): void {
  const has = (...path: string[]) => existsSync(join(homedir(), ...path));
  if (has(".runstate", "runstate.json") || !has(".cvm")) return;
  const isStore = has(".cvm", "runstate.json");
  if (!isStore && !(has(".cvm", "programs") && has(".cvm", "executions"))) return;
  const command = isStore ? "runstate --store file:~/.cvm export - | runstate import -" : "runstate import ~/.cvm";
  print(`~/.cvm has data that the default store, ~/.runstate, lacks. To import it with the native command line: ${command}`, console.error);
}

async function start(rs: Runstate, file: string, source: string): Promise<Run> {
  const [name, id] = [parse(file).name, crypto.randomUUID()];
  await rs.load({ name, source });
  // Printed before the start, because the first stop may be far away.
  print(`execution ${id} of ${name} in ${rs.url}`, console.error);
  return rs.start(name, { id });
}

async function list(rs: Runstate, cursor?: string): Promise<number> {
  const { items, next } = await rs.list({ status: "waiting_cc", cursor });
  for (const { id, programName, prompt } of items) print(`${id}  ${programName}  ${prompt ?? ""}`.replace(/\s*\n\s*/g, " "));
  return next === undefined ? 0 : list(rs, next);
}

/** Prints the output and asks the questions, until the execution ends or must wait. Returns the exit code. */
async function drive(rs: Runstate, run: Run): Promise<number> {
  for (let from = 0; ; await rs.due.run()) {
    const { lines, next, more, status, calls } = await run.progress(from);
    for (const line of lines) print(line);
    from = next;
    if (more) continue;
    if (run.ended) break;
    const unclaimed = calls.filter(({ claim }) => claim?.owner == null || claim.until <= Date.now());
    const question = unclaimed.find(({ waitsFor }) => waitsFor === "person");
    const isWaiting = ({ waitsFor }: CallView) => waitsFor !== "time" && waitsFor !== "queue";
    const mustWait = status === "paused" || (question ? !(await ask(run, question)) : unclaimed.some(isWaiting));
    if (mustWait) return print(`${run.id} waits; continue it with: npx runstate resume ${run.id} --store ${rs.url}`, console.error) ?? 3;
    if (question === undefined) await pause(200);
  }
  const result = await run.result();
  return result === null ? 0 : (print(`= ${format(result)}`) ?? 0);
}

/** The lines of standard input. Nothing is read before the first question. */
const answers = (async function* () { yield* createInterface({ input: process.stdin, crlfDelay: Infinity }); })();

/** Asks a question. Returns false if there is no further line. */
async function ask(run: Run, { id: call, prompt, choices }: CallView): Promise<boolean> {
  const labels = (choices ?? []).map(format);
  print(`? ${prompt}${labels.map((label, at) => `\n  ${at + 1}) ${label}`).join("")}`);
  if (process.stdin.isTTY) process.stderr.write("> ");
  const { value: line, done } = await answers.next();
  if (done === true) return false;
  const byNumber = labels.includes(line.trim()) ? undefined : choices?.[Number(line) - 1];
  await run.answer(byNumber ?? line, { call }).catch((error: RunstateError) => {
    if (!["already_answered", "deadline_passed", "invalid_answer"].includes(error.code)) throw error;
    print(error.message, console.error);
  });
  return true;
}

const format = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
/** Prints text without characters that control a terminal or the direction of text. */
const print = (text: string, to = console.log): void =>
  to(text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`));

/** Prints an error. Returns the exit code. */
function fail(error: Error & { code?: string }): number {
  print(`error: ${error.message}`, console.error);
  // Node's own errors have a code: an unknown flag, a file that cannot be read.
  if (!(error instanceof RunstateError)) return error instanceof ExecutionError ? 1 : error.code === undefined ? 4 : 2;
  return ["usage", "compile_error", "invalid_url"].includes(error.code) ? 2 : 4;
}

process.exitCode = await main().catch(fail);
process.stdin.destroy();
