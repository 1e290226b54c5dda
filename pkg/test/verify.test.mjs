// `verify`: an intact store has no findings, and damage is reported with its location.

import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { verifyFiles } from "runstate";
import { folder, openStore, assertRefused, startProgram } from "./support.mjs";

const ASKS = `console.log("before"); console.log(CC("your name?"))`;

/** All files below a folder, with their contents. */
function contents(at) {
  const names = readdirSync(at, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return names.map(({ parentPath, path, name }) => join(parentPath ?? path, name)).sort().map((file) => [file, readFileSync(file, "latin1")]);
}

/** Damages the newest commit of a file store. Returns its path in the store. */
function damage(at) {
  const newest = readdirSync(join(at, "commits")).filter((name) => name.endsWith(".json")).sort().at(-1);
  const file = join(at, "commits", newest);
  writeFileSync(file, readFileSync(file, "utf8").replace(/r1/, "r2"));
  return `commits/${newest}`;
}

test("an intact store in memory has no finding", async (t) => {
  const { rs, run } = await startProgram(t, ASKS, { id: "r1" });
  await run.answer("Ada");
  const { documents, entries, findings, omitted } = await rs.verify();
  assert.deepEqual([findings, omitted], [[], 0]);
  assert.ok(documents > 5 && entries > 5, `${documents} documents, ${entries} entries`);
});

test("an aborted verification rejects with AbortError", async (t) => {
  const { rs } = await startProgram(t, ASKS);
  await assert.rejects(rs.verify({ signal: AbortSignal.abort() }), { name: "AbortError" });
  await assertRefused(rs.verify({ deep: true }), "usage");
});

test("verifying an open file store changes none of its files", async (t) => {
  const at = join(folder(t), "store");
  const { rs, run } = await startProgram(t, ASKS, { rs: await openStore(t, `file:${at}`), id: "r1" });
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
  const { rs } = await startProgram(t, ASKS, { rs: await openStore(t, `file:${at}`), id: "r1" });
  const copy = join(folder(t), "copy");
  cpSync(at, copy, { recursive: true });
  const damaged = damage(at);
  assert.equal(damage(copy), damaged);
  for (const report of [await rs.verify(), await verifyFiles(`file:${copy}`)]) {
    const [{ at: location, severity, why }] = report.findings;
    assert.deepEqual([location, severity], [damaged, "damage"]);
    assert.match(why, /\S/);
  }
});
