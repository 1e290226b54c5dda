// What the tests of the package share: stores that are closed, programs that are loaded, errors that are looked at.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { RunstateError, open } from "runstate";

/** A folder that is removed when the test has ended. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "runstate-test-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An open store that is closed when the test has ended. */
export async function opened(t, url = "memory:", options = {}) {
  const rs = await open(url, options);
  t.after(() => rs.close());
  return rs;
}

/** Starts a program of this source; `rs` opens in memory where it is not given. */
export async function started(t, source, { rs, ...options } = {}) {
  const store = rs ?? (await opened(t));
  await store.cvm.load({ name: "program", source });
  return { rs: store, run: await store.cvm.start("program", options) };
}

/** The `RunstateError` that something is refused with. */
export async function refused(promise, code) {
  const error = await promise.then(() => assert.fail("it was not refused"), (thrown) => thrown);
  assert.ok(error instanceof RunstateError && error instanceof Error, String(error?.stack ?? error));
  assert.equal(error.code, code, error.message);
  assert.equal(typeof error.retryable, "boolean");
  return error;
}
