// The schemas of all tools, on each surface: a strict validator takes them as JSON Schema 2020-12, and they have no
// part that clients commonly refuse.

import assert from "node:assert/strict";
import { test } from "node:test";

import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { FAKE, connect, folder } from "./support/server.js";

const SURFACES = {
  "default": [],
  "default with files": ["--allow-read", "."],
  "--read-only": ["--read-only"],
  "--all": ["--all"],
  "--all with files": ["--all", "--allow-read", "."],
  "--code": ["--code", "--server", FAKE],
};

/** The beginning of the description of a member of any type: it says how the value is written. */
const ANY = "Any JSON, written as it is";

const FORMATS = ["date", "date-time"];

/** Each schema inside of a schema, with its path. */
function* parts(schema, at) {
  yield [schema, at];
  for (const [name, member] of Object.entries(schema.properties ?? {})) yield* parts(member, `${at}/${name}`);
  for (const form of schema.anyOf ?? []) yield* parts(form, at);
  for (const word of ["items", "additionalProperties"]) {
    if (typeof schema[word] === "object") yield* parts(schema[word], `${at}/${word}`);
  }
}

function checkPart(schema, at) {
  for (const word of ["$ref", "$defs", "const", "oneOf", "allOf", "not", "nullable", "prefixItems"]) {
    assert.ok(!(word in schema), `${at} has ${word}`);
  }
  assert.ok(typeof schema.type === "string" || schema.anyOf || schema.description?.includes(ANY), `${at} has no type`);
  assert.notEqual(schema.type, "null", at);
  if (schema.format) assert.ok(FORMATS.includes(schema.format), `${at}: ${schema.format}`);
  if (schema.enum) assert.ok(schema.enum.length > 0 && !schema.enum.includes(null), at);
}

for (const [surface, args] of Object.entries(SURFACES)) {
  test(`the schemas of ${surface} are strict and plain`, async (t) => {
    const { client } = await connect(t, await folder(t), args);
    const { tools } = await client.listTools();
    const ajv = addFormats(new Ajv2020({ strict: true }));
    for (const tool of tools) {
      for (const schema of [tool.inputSchema, tool.outputSchema].filter(Boolean)) {
        assert.doesNotThrow(() => ajv.compile(schema), tool.name);
        for (const [part, at] of parts(schema, tool.name)) checkPart(part, at);
      }
      const { title, annotations: hints } = tool;
      assert.ok(title, `${tool.name} has a title`);
      for (const hint of ["readOnlyHint", "destructiveHint", "idempotentHint"]) {
        assert.equal(typeof hints?.[hint], "boolean", `${tool.name}: ${hint}`);
      }
      assert.ok(!(hints.readOnlyHint && hints.destructiveHint), tool.name);
    }
    t.diagnostic(`${tools.length} tools, ${JSON.stringify(tools).length} bytes`);
  });
}
