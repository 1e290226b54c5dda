// Runs programs the way Node means them: reads [{ source, input, answers }] and writes [{ lines, result?, error? }].
// Printing follows the rule of the language: text as it is, primitives as String(), objects and arrays as compact JSON.
import { readFileSync } from 'node:fs';

const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const shown = (value) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));

async function run({ source, input, answers }) {
  const lines = [];
  // What leaves a program is Unicode: a lone surrogate becomes U+FFFD.
  const print = (...values) => lines.push(values.map(shown).join(' ').toWellFormed());
  const console = { log: print, error: print, warn: print, info: print, debug: print };
  const CC = (prompt, options) => {
    lines.push(`CC ${String(prompt)}${options === undefined ? '' : ` ${JSON.stringify(options)}`}`.toWellFormed());
    return answers.length > 0 ? answers.shift() : 'no answer';
  };
  // `main` is called with the input where the top level does not call it.
  const tail = /(^|[;}] *)((async )?function|const) main\b/m.test(source) && !/^(await )?main\(/m.test(source) ? '\n;return await main(input)' : '';
  class TimeoutError extends Error { constructor(message) { super(message); this.name = 'TimeoutError'; } }
  try {
    const program = new AsyncFunction('CC', 'console', 'input', 'TimeoutError', `"use strict";${source}${tail}`);
    const result = await program(CC, console, input, TimeoutError);
    return { lines, result: result === undefined ? null : JSON.parse(JSON.stringify(result)) };
  } catch (error) {
    const known = error instanceof Error;
    return { lines, error: known ? `${error.name}: ${error.message}` : `Uncaught: ${String(error)}` };
  }
}

const programs = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const program of programs) results.push(await run(program));
process.stdout.write(JSON.stringify(results));
