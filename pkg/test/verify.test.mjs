// `verify` of a store: a whole one has no finding, and what is damaged is found by name.

import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { verifyFiles } from "runstate";
import { folder, opened, refused, started } from "./support.mjs";

const ASKS = `console.log("before"); console.log(CC("your name?"))`;

/** All files below a folder, with what they hold. */
function contents(at) {
  const names = readdirSync(at, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return names.map(({ parentPath, path, name }) => join(parentPath ?? path, name)).sort().map((file) => [file, readFileSync(file, "latin1")]);
}

/** Damages the newest commit of a store on files. */
function damage(at) {
  const newest = readdirSync(join(at, "commits")).filter((name) => name.endsWith(".json")).sort().at(-1);
  const file = join(at, "commits", newest);
  writeFileSync(file, readFileSync(file, "utf8").replace(/r1/, "r2"));
  return `commits/${newest}`;
}

test("a whole store in memory has no finding", async (t) => {
  const { rs, run } = await started(t, ASKS, { id: "r1" });
  await run.answer("Ada");
  const { documents, entries, findings, omitted } = await rs.verify();
  assert.deepEqual([findings, omitted], [[], 0]);
  assert.ok(documents > 5 && entries > 5, `${documents} documents, ${entries} entries`);
});

test("a verification that is aborted ends as such", async (t) => {
  const { rs } = await started(t, ASKS);
  await assert.rejects(rs.verify({ signal: AbortSignal.abort() }), { name: "AbortError" });
  await refused(rs.verify({ deep: true }), "usage");
});

test("a store on files is verified while it is open, and nothing of it is changed", async (t) => {
  const at = join(folder(t), "store");
  const { rs, run } = await started(t, ASKS, { rs: await opened(t, `file:${at}`), id: "r1" });
  await run.answer("Ada");
  const before = contents(at);
  const report = await rs.verify();
  assert.deepEqual([report.findings, report.omitted], [[], 0]);
  assert.ok(report.documents > 5 && report.bytes > 0 && report.commits > 0);
  assert.deepEqual(contents(at), before);
  const { findings, documents } = await verifyFiles(`file:${at}`);
  assert.deepEqual([findings, documents], [[], report.documents]);
  assert.deepEqual(contents(at), before);
});

test("a damaged file is found by name, open or not", async (t) => {
  const at = join(folder(t), "store");
  const { rs } = await started(t, ASKS, { rs: await opened(t, `file:${at}`), id: "r1" });
  const copy = join(folder(t), "copy");
  cpSync(at, copy, { recursive: true });
  const damaged = damage(at);
  assert.equal(damage(copy), damaged);
  for (const report of [await rs.verify(), await verifyFiles(`file:${copy}`)]) {
    const [{ at: found, severity, why }] = report.findings;
    assert.deepEqual([found, severity], [damaged, "damage"]);
    assert.match(why, /\S/);
  }
});
