// Artifacts of steps: their bytes are stored and read as streams.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { test } from "node:test";
import { crc32 } from "node:zlib";

import { simulated } from "runstate/testing";
import { assertRefused, folder, openStore } from "./support.mjs";

const HOUR = 3_600_000;
const PART = 5 * 1024 * 1024;
const LOG = { execution: "e1", step: 1, type: "log", name: "make.txt" };
const BINARY = { ...LOG, type: "model", name: "model.bin" };

/** Starts the execution `e1`. */
async function startExecution(rs) {
  const configuration = { steps: [{ id: 1, name: "make" }] };
  await rs.apps.configuration.save(1, { appName: "suite", version: "1", configuration, activate: true });
  await rs.apps.execution.start(1, { userId: "ada", id: "e1" });
  return rs;
}

const openWithExecution = async (t, url) => startExecution(await openStore(t, url));

const names = async (rs) => (await rs.apps.artifact.list()).items.map((row) => row.artifactName);

/** A stream of `count` parts, which records how many were read, and why it was cancelled. */
function parts(count) {
  const seen = { read: 0, cancelled: undefined };
  const pull = (stream) => {
    if (seen.read === count) return stream.close();
    stream.enqueue(new Uint8Array(PART).fill(seen.read));
    seen.read += 1;
  };
  const cancel = (reason) => void (seen.cancelled = reason);
  return { seen, stream: new ReadableStream({ pull, cancel }, { highWaterMark: 0 }) };
}

test("every kind of content is stored and read back", async (t) => {
  const rs = await openWithExecution(t, `file:${folder(t)}/store`);
  const bytes = new TextEncoder().encode("zwei Brücken");
  const contents = [
    "zwei Brücken", bytes, Buffer.from(bytes), new Blob([bytes]), new Blob([bytes]).stream(), Readable.from([Buffer.from(bytes)]),
    (async function* () { for (const byte of bytes) yield Uint8Array.of(byte); })(),
  ];
  const ids = new Set();
  for (const content of contents) {
    const id = await rs.apps.artifacts.put(content, { ...LOG, mimeType: "text/plain", metadata: { lines: 1 } });
    assert.equal(await rs.apps.artifacts.text(id), "zwei Brücken");
    ids.add(id);
  }
  assert.equal(ids.size, contents.length);
  const { storagePath: _, createdAt: __, ...row } = await rs.apps.artifact.show([...ids][0]);
  assert.deepEqual(row, {
    id: [...ids][0], executionId: "e1", stepId: 1, artifactType: "log", artifactName: "make.txt", mimeType: "text/plain",
    sizeBytes: bytes.length, storageType: "chunks", sha256: createHash("sha256").update(bytes).digest("hex"), metadata: { lines: 1 },
  });
  assert.equal((await rs.apps.search("brücken")).items.length, contents.length);
  const empty = await rs.apps.artifacts.put("", BINARY);
  assert.equal((await rs.apps.artifact.show(empty)).mimeType, "application/octet-stream");
  assert.equal((await rs.apps.artifacts.bytes(empty)).length, 0);
});

test("bytes are read in pieces as they are wanted, also a range", async (t) => {
  const rs = await openWithExecution(t);
  const { seen, stream } = parts(3);
  const id = await rs.apps.artifacts.put(stream, BINARY);
  assert.deepEqual([seen.read, seen.cancelled], [3, undefined]);
  const sizes = [];
  for await (const piece of await rs.apps.artifacts.read(id)) sizes.push([piece.length, piece[0]]);
  assert.deepEqual(sizes, [[PART, 0], [PART, 1], [PART, 2]]);
  const range = async (options) => [...(await rs.apps.artifacts.bytes(id, options))];
  assert.deepEqual(await range({ start: PART - 1, end: PART + 2 }), [0, 1, 1]);
  assert.deepEqual(await range({ start: 3 * PART - 2 }), [2, 2]);
  assert.deepEqual(await range({ start: 3 * PART - 1, end: 2 ** 53 - 1 }), [2]);
  assert.deepEqual([await range({ end: 0 }), await range({ start: 2, end: 1 }), await range({ start: 3 * PART })], [[], [], []]);
});

test("an upload whose source fails or is aborted leaves nothing", async (t) => {
  const rs = await openWithExecution(t);
  const controller = new AbortController();
  const { seen, stream } = parts(9);
  const aborting = stream.pipeThrough(new TransformStream({
    transform(piece, output) {
      output.enqueue(piece);
      if (seen.read === 3) controller.abort(new RangeError("enough"));
    },
  }));
  await assert.rejects(rs.apps.artifacts.put(aborting, { ...BINARY, signal: controller.signal }), RangeError);
  assert.ok(seen.read < 9 && seen.cancelled instanceof RangeError, String(seen.cancelled));
  const failing = async function* () {
    yield new Uint8Array(PART + 1);
    throw new TypeError("the disk of the source failed");
  };
  await assert.rejects(rs.apps.artifacts.put(failing(), BINARY), TypeError);
  await assertRefused(rs.apps.artifacts.put(Readable.from(["text"]), BINARY), "usage");
  const stopped = new AbortController();
  const waiting = new ReadableStream({
    pull: () => void stopped.abort(new RangeError("enough")),
    cancel: () => void (seen.cancelled = "waiting"),
  }, { highWaterMark: 0 });
  await assert.rejects(rs.apps.artifacts.put(waiting, { ...BINARY, signal: stopped.signal }), RangeError);
  assert.equal(seen.cancelled, "waiting");
  await assertRefused(rs.apps.artifacts.put(parts(21).stream, BINARY), "limit");
  assert.deepEqual(await names(rs), []);
  assert.deepEqual(await rs.apps.artifacts.collect(), { removed: 5, elsewhere: 0 });
  assert.deepEqual(await rs.apps.artifacts.collect(), { removed: 0, elsewhere: 0 });
  assert.ok(!(await rs.export().then((lines) => lines.text())).includes("apps.blob_chunks\",\"id"));
});

test("an upload that does not continue is abandoned after an hour", async () => {
  const world = await simulated();
  const rs = await startExecution(await world.open("memory:"));
  let proceed;
  const written = new Promise((resolve) => (proceed = resolve));
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const content = async function* () {
    yield new Uint8Array(PART + 1);
    proceed();
    await ended;
  };
  const upload = assertRefused(rs.apps.artifacts.put(content(), BINARY), "stale_upload");
  await written;
  await world.advance(HOUR);
  assert.deepEqual(await rs.apps.artifacts.collect(), { removed: 0, elsewhere: 0 });
  await world.advance(HOUR);
  assert.deepEqual(await rs.apps.artifacts.collect(), { removed: 1, elsewhere: 0 });
  end();
  await upload;
  assert.deepEqual(await names(rs), []);
});

test("a process that is killed while it stores an artifact leaves none", async (t) => {
  const url = `file:${folder(t)}/store`;
  const rs = await openWithExecution(t, url);
  const script = `import { open } from "runstate";
const rs = await open(${JSON.stringify(url)});
await rs.apps.artifacts.put((async function* () {
  yield new Uint8Array(${PART});
  yield new Uint8Array(${PART});
  console.log("written");
  await new Promise(() => setInterval(() => {}, 1000));
})(), ${JSON.stringify(BINARY)});`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  await Promise.race([new Promise((resolve) => child.stdout.once("data", resolve)), exited]);
  assert.equal(child.exitCode, null, "it waits for its source");
  child.kill("SIGKILL");
  await exited;
  assert.deepEqual(await names(rs), []);
  assert.deepEqual((await rs.verify()).findings.filter(({ severity }) => severity === "damage"), []);
  const id = await rs.apps.artifacts.put("again", LOG);
  assert.equal(await rs.apps.artifacts.text(id), "again");
});

test("changed bytes are corrupt", async (t) => {
  const at = `${folder(t)}/store`;
  const rs = await openWithExecution(t, `file:${at}`);
  const id = await rs.apps.artifacts.put("two circles", LOG);
  await rs.close();
  changeCommits(at, Buffer.from("two circles").toString("base64"), Buffer.from("two squares").toString("base64"));
  const changed = await openStore(t, `file:${at}`);
  const error = await assertRefused(changed.apps.artifacts.text(id), "corrupt");
  assert.equal(error.key, id);
  await assertRefused(changed.apps.artifacts.bytes(id, { start: 1, end: 2 }), "corrupt");
});

/** Replaces a text in all commits of a file store, and corrects their checksums and the hashes of the chain. */
function changeCommits(at, from, to) {
  let previous;
  for (const name of readdirSync(`${at}/commits`).filter((name) => name.endsWith(".json")).sort()) {
    const file = `${at}/commits/${name}`;
    let text = readFileSync(file, "utf8").replaceAll(from, to);
    if (previous !== undefined) text = text.replace(/"prev":"[0-9a-f]+"/, `"prev":"${previous}"`);
    const end = text.lastIndexOf(',"crc":"');
    text = text.slice(0, end) + text.slice(end).replace(/[0-9a-f]{8}/, crc32(text.slice(0, end)).toString(16).padStart(8, "0"));
    writeFileSync(file, text);
    previous = createHash("sha256").update(text).digest("hex");
  }
}

test("a reader ends with its signal, its artifact and its store", async (t) => {
  const rs = await openWithExecution(t);
  const id = await rs.apps.artifacts.put(parts(2).stream, BINARY);
  const cancelled = (await rs.apps.artifacts.read(id)).getReader();
  await cancelled.read();
  await cancelled.cancel();
  assert.equal((await cancelled.read()).done, true);
  const controller = new AbortController();
  const aborted = (await rs.apps.artifacts.read(id, { signal: controller.signal })).getReader();
  const pending = aborted.read();
  controller.abort(new RangeError("enough"));
  await assert.rejects(pending, RangeError);
  await assert.rejects(rs.apps.artifacts.read(id, { signal: controller.signal }), RangeError);
  const removed = (await rs.apps.artifacts.read(id)).getReader();
  await removed.read();
  await rs.apps.artifact.remove(id);
  assert.deepEqual(await rs.apps.artifacts.collect(), { removed: 1, elsewhere: 0 });
  await assertRefused(removed.read(), "not_found");

  const other = await rs.apps.artifacts.put(parts(2).stream, BINARY);
  const open = (await rs.apps.artifacts.read(other)).getReader();
  await open.read();
  await rs.close();
  await assertRefused(open.read(), "closed");
  await assertRefused(rs.apps.artifacts.read(other), "closed");
  await assertRefused(rs.apps.artifacts.put("late", LOG), "closed");
  await assertRefused(rs.apps.artifacts.collect(), "closed");
});

test("a store that is closed during an upload fails it as closed", async (t) => {
  const rs = await openWithExecution(t);
  const content = async function* () {
    yield new Uint8Array(1);
    await rs.close();
    yield new Uint8Array(1);
  };
  await assertRefused(rs.apps.artifacts.put(content(), BINARY), "closed");
});

test("wrong arguments are refused before anything is stored", async (t) => {
  const rs = await openWithExecution(t);
  const { artifacts } = rs.apps;
  const usage = [
    [artifacts.put("x"), /^apps\.artifacts\.put takes its options as an object/],
    [artifacts.put("x", {}), /^apps\.artifacts\.put: `execution` is missing; it must be a string$/],
    [artifacts.put("x", { ...LOG, step: "one" }), /`step` must be a whole number/],
    [artifacts.put("x", { ...LOG, step: undefined }), /`step` is missing/],
    [artifacts.put("x", { ...LOG, mime: "text/plain" }), /has no option `mime`/],
    [artifacts.put("x", { ...LOG, metadata: [] }), /`metadata` must be an object/],
    [artifacts.put(7, LOG), /^the content of an artifact must be a string, a Uint8Array, /],
    [artifacts.put(null, LOG), /^the content of an artifact must be/],
    [artifacts.read(7), /^the id of an artifact must be a string, not 7$/],
    [artifacts.read("a", { start: -1 }), /^apps\.artifacts\.read: `start` must be /],
    [artifacts.read("a", { end: 1.5 }), /^apps\.artifacts\.read: `end` must be /],
    [artifacts.text("a", { from: 1 }), /^apps\.artifacts\.read has no option `from`/],
    [artifacts.collect({ limit: 1 }), /^apps\.artifacts\.collect has no option `limit`/],
  ];
  for (const [promise, message] of usage) assert.match((await assertRefused(promise, "usage")).message, message);
  await assertRefused(artifacts.put("half \ud800", LOG), "invalid");
  await assertRefused(artifacts.put("x", { ...LOG, name: "half \ud800" }), "invalid");
  await assertRefused(artifacts.put("x", { ...LOG, execution: "none" }), "not_found");
  await assertRefused(artifacts.read("none"), "not_found");
  await assert.rejects(artifacts.put("x", { ...LOG, signal: AbortSignal.abort(new RangeError("no")) }), RangeError);
  assert.deepEqual(await names(rs), []);
  assert.deepEqual(await artifacts.collect(), { removed: 0, elsewhere: 0 });
});
