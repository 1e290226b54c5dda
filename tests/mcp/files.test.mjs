// `--allow-read`: sources and inputs that are read by name, below one folder.

import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { call, connect, folder } from "./support/server.js";

const MAIN = `import { double } from "./lib/double";
function main(input) { return double(input.n); }`;

/** A folder with a program, its input, and secrets beside it. */
async function programs(t) {
  const cwd = await folder(t);
  await mkdir(join(cwd, "programs/lib"), { recursive: true });
  const write = (name, text) => writeFile(join(cwd, name), text);
  await write("secret.json", '{"n": 7}');
  await write("secret.ts", "export const secret = 1;");
  await write("programs/main.ts", MAIN);
  await write("programs/lib/double.ts", "export const double = (n) => 2 * n;");
  await write("programs/input.json", '{"n": 21}');
  await write("programs/leads-out.ts", 'import { secret } from "../secret";\nconsole.log(secret);');
  await write("programs/linked.ts", 'import { secret } from "./link";\nconsole.log(secret);');
  await symlink("../secret.json", join(cwd, "programs/link.json"));
  await symlink("../secret.ts", join(cwd, "programs/link.ts"));
  await symlink("..", join(cwd, "programs/up"));
  return cwd;
}

const failure = async (client, name, args) => {
  const { isError, structuredContent } = await client.callTool({ name, arguments: args });
  assert.ok(isError, JSON.stringify(structuredContent));
  return structuredContent.message;
};

test("a program and its input are read by name", async (t) => {
  const cwd = await programs(t);
  const { client } = await connect(t, cwd, ["--allow-read", "programs"]);
  const { tools } = await client.listTools();
  const { inputSchema } = tools.find((tool) => tool.name === "load");
  assert.ok(inputSchema.properties.path && !inputSchema.required.includes("source"));
  assert.equal((await call(client, "load", { name: "double", path: "main.ts" })).name, "double");
  const turn = await call(client, "start", { program: "double", inputPath: "input.json" });
  assert.equal(turn.result, 42);
  // An absolute path below the folder is one of it.
  const absolute = { operation: "cvm.start", parameters: { program: "double", inputPath: join(cwd, "programs/input.json") } };
  assert.equal((await call(client, "call", absolute)).status, "complete");
});

test("nothing outside of the folder is read", async (t) => {
  const cwd = await programs(t);
  const { client } = await connect(t, cwd, ["--allow-read", "programs"]);
  await call(client, "load", { name: "double", path: "main.ts" });
  const outside = ["../secret.json", "lib/../../secret.json", "up/secret.json", "link.json", join(cwd, "secret.json"), "/etc/passwd"];
  for (const path of outside) {
    const message = await failure(client, "start", { program: "double", inputPath: path });
    assert.match(message, /is not granted; start with --allow-read DIR/, path);
  }
  for (const path of ["leads-out.ts", "linked.ts"]) {
    const message = await failure(client, "load", { name: "leads", path });
    assert.doesNotMatch(message, /secret = 1/, path);
  }
  assert.match(await failure(client, "start", { program: "double", inputPath: "none.json" }), /it does not exist/);
  assert.match(await failure(client, "start", { program: "double", inputPath: "main.ts" }), /main.ts is not JSON/);
  assert.match(await failure(client, "start", { program: "double", inputPath: "lib" }), /inputPath: /);
  const both = { name: "double", path: "main.ts", source: "1" };
  assert.equal(await failure(client, "load", both), "`path` and `source` exclude each other");
});

test("no file is read by name without the option", async (t) => {
  const cwd = await programs(t);
  const { client } = await connect(t, cwd);
  const { tools } = await client.listTools();
  assert.ok(tools.every((tool) => !tool.inputSchema.properties.path && !tool.inputSchema.properties.inputPath));
  assert.match(await failure(client, "load", { name: "double", path: "programs/main.ts" }), /has no option `path`/);
  await call(client, "load", { name: "double", source: "function main(input) { return input; }" });
  assert.match(await failure(client, "start", { program: "double", inputPath: "secret.json" }), /no option `inputPath`/);
});
