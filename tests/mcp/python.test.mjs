// The official Python client, which the full form of the gate installs: RUNSTATE_PYTHONPATH has its folder.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { IN_FULL } from "../browser/support/full.js";
import { RUNSTATE, folder } from "./support/server.js";

const SCRIPT = fileURLToPath(new URL("client.py", import.meta.url));

test("the Python client loads, starts, answers and reads tasks", IN_FULL, async (t) => {
  const env = { ...process.env, PYTHONPATH: process.env.RUNSTATE_PYTHONPATH };
  const args = ["-X", "utf8", SCRIPT, RUNSTATE, await folder(t)];
  const { stdout } = await promisify(execFile)("python3", args, { env, timeout: 120_000 });
  t.diagnostic(stdout.trim());
  assert.match(stdout, /^ok$/m);
});
