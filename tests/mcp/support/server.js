// The server under test, and clients of it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

/** The binary under test. */
export const RUNSTATE = process.env.RUNSTATE_BINARY ?? "runstate";

/** The command of the servers behind `--code`. */
export const FAKE = `fake=node ${new URL("../../../cli/tests/faces/cli/fake_mcp_server.mjs", import.meta.url).pathname}`;

/** Creates a folder, which is removed after the test. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "runstate-mcp-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/**
 * Connects the official client to a server of its own, whose store is in `cwd`.
 *
 * @param {{ forms?: (params: object) => object }} options `forms`: fills in the forms that the server shows
 */
export async function connect(t, cwd, args = [], { forms } = {}) {
  const transport = new StdioClientTransport({ command: RUNSTATE, args: ["mcp", "--store", "file:store", ...args], cwd });
  const client = new Client({ name: "tests", version: "1" }, { capabilities: forms ? { elicitation: {} } : {} });
  if (forms) client.setRequestHandler(ElicitRequestSchema, ({ params }) => forms(params));
  t.after(() => client.close());
  await client.connect(transport);
  return { client, pid: transport.pid };
}

/** Starts a server, and sends requests as they are: for versions of the protocol that the client does not speak. */
export function pipes(t, cwd, args = []) {
  const server = spawn(RUNSTATE, ["mcp", "--store", "file:store", ...args], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  t.after(async () => {
    const exit = once(server, "exit");
    server.stdin.end();
    await exit;
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const write = (message) => server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  let id = 0;
  return {
    notify: (method) => write({ method }),
    async request(method, params) {
      write({ id: ++id, method, params });
      for (;;) {
        const answer = JSON.parse((await lines.next()).value);
        if (answer.id === id) return answer;
      }
    },
  };
}

/** The structure of the result of a tool that succeeds. */
export async function call(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError) throw new Error(JSON.stringify(result.structuredContent));
  return result.structuredContent;
}
