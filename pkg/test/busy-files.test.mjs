// Files that a virus scanner of Windows has open: their calls fail for a while. The system of this process is replaced
// before the package is loaded.

import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { test } from "node:test";

const failing = new Map();
Object.defineProperty(process, "platform", { value: "win32" });
for (const name of ["openSync", "linkSync", "unlinkSync", "readdirSync", "statSync"]) {
  const original = fs[name];
  fs[name] = (...args) => {
    const { code, times } = failing.get(name) ?? { times: 0 };
    if (times === 0) return original(...args);
    failing.set(name, { code, times: times - 1 });
    throw Object.assign(new Error(`${code}: ${name}`), { code });
  };
}
syncBuiltinESMExports();
const { open, files } = await import("runstate");
const { folder } = await import("./support.mjs");

test("calls on busy files are tried again", async (t) => {
  const url = `file:${folder(t)}/store`;
  const rs = await open(url);
  await rs.load({ name: "program", source: `CC("a?")` });
  for (const [name, code] of [["openSync", "EBUSY"], ["linkSync", "EPERM"], ["readdirSync", "EACCES"]]) {
    failing.set(name, { code, times: 3 });
  }
  const run = await rs.start("program");
  await rs.close();
  const again = await open(url);
  assert.equal((await again.run(run.id)).status, "waiting_cc");
  await again.close();
  assert.deepEqual([...failing.values()].map(({ times }) => times), [0, 0, 0]);
});

test("a file that stays busy is refused after about a second", (t) => {
  const path = folder(t);
  failing.set("statSync", { code: "EPERM", times: Infinity });
  assert.throws(() => files.size(path), { code: "EPERM" });
  failing.set("statSync", { code: "ENOENT", times: 1 });
  assert.throws(() => files.size(path), { code: "ENOENT" });
  assert.ok(files.size(path) > 0);
});
