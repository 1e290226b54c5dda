// Runs programs for the build. A failed program ends the build.

import { spawnSync } from "node:child_process";

/** Runs a program to its end and shows its output. */
export function run(program, args, options = {}) {
  const { status, error, signal } = spawnSync(program, args, { stdio: "inherit", ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${signal ?? `exit code ${status}`}`);
}

/** Runs a program to its end and returns its standard output. */
export function output(program, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with exit code ${status}: ${stderr}${stdout}`);
  return stdout;
}
