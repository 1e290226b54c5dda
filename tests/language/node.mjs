// Runs programs in Node as the reference: reads [{ source, input, answers }] and writes [{ lines, result?, error?, ms }].
// Values are printed by Node's own `format`. Stack traces differ between the engines, so their lines are removed.
import { readFileSync } from 'node:fs';
import { format } from 'node:util';

const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const untraced = (line) => line.replace(/\n +at [^\n]*(?:\d+:\d+\)?|<anonymous>\))/g, '').replace(/\n +\.\.\. \d+ lines matching cause stack trace \.\.\./g, '');

// The time of the turn in the engine under test.
const NOW = 1_790_000_000_000;

// Encodes a value as JSON with sorted keys.
const sorted = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

async function run({ source, input, answers }) {
  const lines = [];
  // The output of a program is well-formed Unicode: a lone surrogate becomes U+FFFD.
  const print = (...values) => lines.push(untraced(format(...values)).toWellFormed());
  const console = { log: print, error: print, warn: print, info: print, debug: print };
  class TimeoutError extends Error { constructor(message) { super(message); this.name = 'TimeoutError'; } }
  const counts = new Map();
  const ask = (what, options) => {
    const key = options?.key;
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
    lines.push(`${what}${options == null ? '' : ` ${sorted(options)}`}${key === undefined ? '' : ` #${counts.get(key)}`}`.toWellFormed());
  };
  // The answer `!Name: message` is an error.
  const next = () => {
    const answer = answers.length > 0 ? answers.shift() : 'no answer';
    const [, name, message] = /^!(\w+): (.*)$/s.exec(answer) ?? [];
    if (name === undefined) return { answer };
    return { error: name === 'TimeoutError' ? new TimeoutError(message) : Object.assign(new Error(message), { name }) };
  };
  const answered = ({ answer, error }) => { if (error) throw error; return answer; };
  const CC = (prompt, options) => { ask(`CC ${String(prompt)}`, options); return answered(next()); };
  CC.all = (questions) => {
    for (const question of questions) {
      const { prompt, tool, args, ...options } = typeof question === 'string' ? { prompt: question } : question;
      const given = Object.values(options).some((value) => value !== undefined) ? options : undefined;
      ask(tool === undefined ? `CC ${prompt}` : `${tool} ${sorted(args ?? null)}`, given);
    }
    return questions.map(next).map(answered);
  };
  const call = (tool, args, options) => { ask(`${tool} ${sorted(args ?? null)}`, options); return answered(next()); };
  const sleep = (ms) => { if (Number(ms) > 0) ask('timer', { timeoutMs: Math.ceil(ms) }); };
  const sleepUntil = (moment) => {
    const until = typeof moment === 'number' ? moment : Date.parse(moment);
    if (until > NOW) ask('timer', { until });
  };
  const fs = {
    readFile: (path) => { ask(`fs.readFile ${sorted({ path })}`); return answered(next()); },
    listFiles: (path) => { ask(`fs.listFiles ${sorted({ path })}`); return answered(next()); },
    writeFile: (path, text) => ask(`fs.writeFile ${sorted({ path, text })}`),
  };
  // `main` is called with the input unless the top level calls it.
  const tail = /(^|[;}] *)((async )?function|const) main\b/m.test(source) && !/^(await )?main\(/m.test(source) ? '\n;return await main(input)' : '';
  const outside = { CC, call, sleep, sleepUntil, fs, console, input, TimeoutError };
  try {
    const program = new AsyncFunction(...Object.keys(outside), `"use strict";{${source}${tail}\n}`);
    const result = await program(...Object.values(outside));
    return { lines, result: result === undefined ? null : JSON.parse(JSON.stringify(result)) };
  } catch (error) {
    const known = error instanceof Error;
    return { lines, error: known ? `${error.name}: ${error.message}` : `Uncaught: ${String(error)}` };
  }
}

// A promise may be rejected before it is awaited, for example after the program has ended. It must not end the process.
process.on('unhandledRejection', () => {});

const programs = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const program of programs) {
  const begun = performance.now();
  results.push({ ...(await run(program)), ms: performance.now() - begun });
}
process.stdout.write(JSON.stringify(results));
