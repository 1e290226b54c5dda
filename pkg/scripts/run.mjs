// Running programs from the build: their words are shown, their failure ends it.

import { spawnSync } from "node:child_process";

/** Runs a program to its end. */
export function run(program, args, options = {}) {
  const { status, error, signal } = spawnSync(program, args, { stdio: "inherit", ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${signal ?? `exit code ${status}`}`);
}

/** What a program says. */
export function output(program, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with exit code ${status}: ${stderr}${stdout}`);
  return stdout;
}
