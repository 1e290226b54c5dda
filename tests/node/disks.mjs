// Errors of file stores in Node: invalid folders, failing disks, hosts without files. Run `node disks.mjs PACKAGE FOLDER`. A failing disk is
// simulated by replacing calls of the file system.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { files, wasm } from "./package.mjs";

const folder = process.argv[3];
const at = (name) => join(folder, name);
const open = (url) => wasm.Runstate.open(url, "{}");

/** The error of a promise that rejects. */
const refusal = async (promise) => {
  return promise.then(() => assert.fail("it was not refused"), (thrown) => thrown);
};
const fails = (code) => () => {
  throw Object.assign(new Error(`${code}: as a disk would say`), { code });
};
/** File system calls of which one fails: a call of the object itself, or `file.CALL` of a created file. */
const failing = (call, code) => {
  if (!call.startsWith("file.")) return { [call]: fails(code) };
  const name = call.slice("file.".length);
  const fail = name === "sync" ? async () => fails(code)() : fails(code);
  return { create: (path) => Object.assign(files.create(path), { [name]: fail }) };
};
/** Runs `act` while the calls of `changed` replace those of node:fs. */
const withReplaced = async (changed, act) => {
  wasm.provideFiles({ ...files, ...changed });
  try {
    return await act();
  } finally {
    wasm.provideFiles(files);
  }
};

const tests = {
  async "a folder that holds something else is left alone"() {
    mkdirSync(at("other"));
    writeFileSync(at("other/mine.txt"), "mine");
    const error = await refusal(open(`file:${at("other")}`));
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /mine\.txt/);
    assert.deepEqual(readdirSync(at("other")), ["mine.txt"]);
    writeFileSync(at("file"), "");
    assert.match((await refusal(open(`file:${at("file")}`))).message, /a store is a folder/);
    assert.match((await refusal(open(`file:${at("file/below")}`))).message, /a store is a folder/);
  },

  async "a network file system needs a single process"() {
    const table = `22 1 0:25 / / rw shared:3 - nfs4 server:/ rw\n`;
    const mounts = async (path) => ({ at: (await files.mounts(path)).at, table });
    await withReplaced({ mounts }, async () => {
      const error = await refusal(open(`file:${at("network")}`));
      assert.equal(error.code, "unsupported");
      assert.match(error.message, /nfs4/);
      await (await open(`file:${at("network")}?single_process`)).close();
    });
  },

  async "without hard links a single process works"() {
    for (const code of ["EPERM", "ENOTSUP", "EISDIR"]) {
      await withReplaced({ link: fails(code) }, async () => {
        const url = `file:${at(`links-${code}`)}`;
        assert.equal((await refusal(open(url))).code, "unsupported", code);
        const notes = await wasm.NodeNotes.open(`${url}?single_process`);
        await notes.add("a");
        await notes.add("b");
        const again = await wasm.NodeNotes.open(`${url}?single_process`);
        assert.deepEqual(await again.ids(), ["a", "b"]);
        assert.equal(again.health(), undefined);
      });
    }
  },

  async "each disk failure has its own error"() {
    const url = `file:${at("fails")}`;
    await (await wasm.NodeNotes.open(url)).add("before");
    const cases = [
      ["create", "EROFS", /^read_only: .*cannot be written/],
      ["create", "EACCES", /^read_only: .*cannot be written/],
      ["file.write", "ENOSPC", /^full: /],
      ["file.write", "EDQUOT", /^full: /],
      ["file.write", "EIO", /^unavailable: .*nothing was written.*EIO: as a disk would say/],
      ["file.sync", "EIO", /^unavailable: .*nothing was written.*EIO: as a disk would say/],
      ["link", "EACCES", /^read_only: /],
      // The link may exist, so the outcome is unknown and the caller must check it.
      ["link", "EIO", /^unknown_outcome: /],
    ];
    for (const [call, code, message] of cases) {
      await withReplaced(failing(call, code), async () => {
        const notes = await wasm.NodeNotes.open(url);
        await assert.rejects(notes.add("never"), { message }, `${call} ${code}`);
      });
    }
    const notes = await wasm.NodeNotes.open(url);
    assert.deepEqual(await notes.ids(), ["before"]);
  },

  async "a file is written in pieces and read at offsets"() {
    mkdirSync(at("pieces"));
    const pieces = [3, 70_000, 1].map((length, n) => new Uint8Array(length).fill(n + 1));
    assert.equal(await wasm.tryPieces(at("pieces"), pieces), undefined);
    assert.deepEqual(readdirSync(at("pieces")), ["broken"]);
  },

  // The last test, because it removes the file system.
  async "a host without files is a clear error"() {
    wasm.provideFiles(undefined);
    const error = await refusal(open(`file:${at("nowhere")}`));
    assert.equal(error.code, "unsupported");
    assert.match(error.message, /this host has no files/);
    assert.ok(!readdirSync(folder).includes("nowhere"));
    await (await open("memory:")).close();
  },
};

process.exitCode = 1;
for (const [name, test] of Object.entries(tests)) {
  console.log(`test ${name}`);
  await test();
}
console.log("all done");
process.exitCode = 0;
