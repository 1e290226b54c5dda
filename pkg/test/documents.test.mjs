// Documents of one collection with a type: `rs.collection`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { tool } from "runstate";
import { assertRefused, openStore } from "./support.mjs";

/** A schema as a library has it: `tag` is a text without spaces around it. */
const trimmed = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value.tag === "string" ? { value: { ...value, tag: value.tag.trim() } } : { issues: [{ message: "not a text", path: [{ key: "tag" }] }] },
  },
};

async function openNotes(t, options) {
  const rs = await openStore(t);
  await rs.documents.declare("notes", { fields: [{ name: "tag", kind: "text" }] });
  return rs.collection("notes", options);
}

test("documents of a collection are inserted, read, written, counted, deleted and dropped", async (t) => {
  const notes = await openNotes(t);
  const first = await notes.insert("a", { tag: "home" });
  assert.match(first, /^1-/);
  assert.equal(await notes.insert("a", { tag: "work" }, { ifAbsent: true }), null);
  assert.match(await notes.insert("b", { tag: "work" }, { ifAbsent: true }), /^1-/);
  const conflict = await assertRefused(notes.insert("a", { tag: "work" }), "conflict");
  assert.deepEqual(conflict.details, { expected: null, found: first });
  const read = await notes.get("a");
  assert.deepEqual(read, { _id: "a", _rev: first, tag: "home" });
  const second = await notes.put("a", { ...read, tag: "garden" });
  await assertRefused(notes.put("a", read), "conflict");
  assert.equal(await notes.get("none"), null);
  assert.deepEqual((await notes.query({ where: { eq: ["tag", "garden"] } })).items.map(({ _rev }) => _rev), [second]);
  assert.deepEqual([await notes.count(), await notes.count({ eq: ["tag", "work"] })], [2, 1]);
  await assertRefused(notes.delete("a", { expect: first }), "conflict");
  await notes.delete("a", { expect: second });
  await notes.delete("a");
  await assertRefused(notes.delete("a", { expect: second }), "conflict");
  await assertRefused(notes.delete("a", { expected: second }), "usage");
  assert.deepEqual([await notes.drop(), await notes.count()], [1, 0]);
});

test("a document has at most 100 levels", async (t) => {
  const notes = await openNotes(t);
  const nested = (levels) => (levels === 1 ? { tag: "deep" } : { inner: nested(levels - 1) });
  await notes.insert("a", nested(100));
  const { _id, _rev, ...read } = await notes.get("a");
  assert.deepEqual(read, nested(100));
  const refused = await assertRefused(notes.insert("b", nested(101)), "invalid");
  assert.match(refused.message, /deeper than 100 levels/);
  assert.ok(refused.message.length < 400, refused.message);
  assert.equal(await notes.count(), 1);
});

test("a document that a JSON Schema refuses is invalid and is not written", async (t) => {
  const schema = { type: "object", required: ["tag"], properties: { tag: { type: "string" } }, additionalProperties: false };
  const notes = await openNotes(t, { schema });
  const refused = await assertRefused(notes.insert("a", { tag: 1 }), "invalid");
  assert.match(refused.message, /^documents\.notes\/a: .*tag/);
  await assertRefused(notes.insert("a", { tag: "x", more: 1 }, { ifAbsent: true }), "invalid");
  await assertRefused(notes.put("a", {}), "invalid");
  assert.equal(await notes.count(), 0);
  await notes.insert("a", { tag: "x" });
  // The id and the revision of a document that was read are no fields.
  await notes.put("a", { ...(await notes.get("a")), tag: "y" });
  assert.equal((await notes.get("a")).tag, "y");
});

test("a schema of a library is checked, and what it returns is written", async (t) => {
  const notes = await openNotes(t, { schema: trimmed });
  await notes.insert("a", { tag: " home " });
  assert.equal((await notes.get("a")).tag, "home");
  const refused = await assertRefused(notes.put("b", { tag: 1 }), "invalid");
  assert.equal(refused.message, "documents.notes/b does not match its schema: tag: not a text");
  assert.deepEqual([refused.collection, refused.key, refused.details], ["documents.notes", "b", { issues: [{ message: "not a text", path: ["tag"] }] }]);
  assert.equal(await notes.count(), 1);
});

test("a collection that is not declared, or is one of a domain, is refused by name", async (t) => {
  const rs = await openStore(t);
  await assertRefused(rs.collection("notes").insert("a", {}), "not_found");
  await assertRefused(rs.collection("cvm.executions").drop(), "not_found");
  for (const wrong of [() => rs.collection(1), () => rs.collection("notes", { schema: [] }), () => rs.collection("notes", { scheme: {} })]) {
    assert.throws(wrong, { code: "usage" });
  }
});

test("a schema that cannot be used is refused where it is given, and reads are not checked", async (t) => {
  const rs = await openStore(t);
  class LibrarySchema {
    parse() {}
  }
  const cases = [
    [{ uniqueItems: true }, /^the schema of the collection `notes`: schema\b.*uniqueItems/],
    [{ properties: { tag: { type: "text" } } }, /^the schema of the collection `notes`: schema\.properties\.tag\.type/],
    [new LibrarySchema(), /^collection: `schema` must be a JSON Schema, or a schema of a library with Standard Schema 1/],
    [{ "~standard": { version: 1, vendor: "none" } }, /^collection: `schema` must be a JSON Schema, or a schema of a library/],
  ];
  for (const [schema, message] of cases) {
    assert.throws(() => rs.collection("notes", { schema }), { code: "usage", message });
    assert.throws(() => rs.code({ tools: { pay: { refund: tool({ input: schema, run: () => 1 }) } } }), { code: "usage", message: /schema/ });
  }
  assert.throws(() => rs.code({ tools: { f: tool({ output: { not: {} }, run: () => 1 }) } }), { code: "usage", message: /^the schema `output` of tools\.f: / });
  assert.throws(() => rs.collection("notes", { schema: { default: () => 1 } }), { code: "invalid", message: /^the schema of the collection `notes`: `default` is a function/ });
  await rs.documents.declare("notes");
  await rs.collection("notes").insert("a", { tag: 1 });
  const typed = rs.collection("notes", { schema: { type: "object", properties: { tag: { type: "string" } } } });
  assert.equal((await typed.get("a")).tag, 1);
  assert.equal((await typed.query()).items[0].tag, 1);
});
