// Helpers of the package's tests: temporary folders, stores, programs, and checks of errors.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { RunstateError, open } from "runstate";

/** Creates a folder that is removed when the test has ended. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "runstate-test-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Opens a store that is closed when the test has ended. */
export async function openStore(t, url = "memory:", options = {}) {
  const rs = await open(url, options);
  t.after(() => rs.close());
  return rs;
}

/** Starts a program from its source, in the store `rs` or by default in a new one in memory. */
export async function startProgram(t, source, { rs, ...options } = {}) {
  const store = rs ?? (await openStore(t));
  await store.load({ name: "program", source });
  return { rs: store, run: await store.start("program", options) };
}

/** Asserts that a promise rejects with a `RunstateError` of this code. Returns the error. */
export async function assertRefused(promise, code) {
  const error = await promise.then(() => assert.fail("it was not refused"), (thrown) => thrown);
  assert.ok(error instanceof RunstateError && error instanceof Error, String(error?.stack ?? error));
  assert.equal(error.code, code, error.message);
  assert.equal(typeof error.retryable, "boolean");
  return error;
}
