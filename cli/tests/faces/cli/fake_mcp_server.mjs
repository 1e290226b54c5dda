// A fake server of the Model Context Protocol for tests: its tools do what a test needs, and nothing useful.
// Argument: `many` (3,000 tools more, in pages).
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const mode = process.argv[2];
const text = (text, more = {}) => ({ content: [{ type: "text", text }], ...more });
const lines = (file) => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0);
const integer = { type: "integer", minimum: 0 };
const file = { type: "string", description: "A file.", minLength: 1 };

const tools = {
  add: {
    description: "Adds two numbers.",
    properties: { a: integer, b: integer },
    outputSchema: { type: "object", properties: { sum: { type: "integer" } }, required: ["sum"] },
    call: ({ a, b }) => ({ content: [], structuredContent: { sum: a + b } }),
  },
  "echo-text": { description: "Returns a text.", properties: { text: { type: "string" } }, call: (args) => text(args.text) },
  fail: {
    description: "Always fails.",
    properties: { message: { type: "string" } },
    call: ({ message }) => text(message, { isError: true }),
  },
  log: {
    description: "Adds a line to a file.",
    properties: { file, line: { type: "string" } },
    call({ file, line }) {
      appendFileSync(file, `${line}\n`);
      return text(JSON.stringify({ lines: lines(file) }));
    },
  },
  die: { description: "Ends the server.", properties: {}, call: () => process.exit(3) },
  die_once: {
    description: "Ends the server if the file does not exist.",
    properties: { file },
    call({ file }) {
      if (!existsSync(file)) {
        writeFileSync(file, "died\n");
        process.exit(3);
      }
      return text("alive");
    },
  },
  hang_once: {
    description: "Adds a line to a file, and answers only if it is not the first one.",
    properties: { file },
    call({ file }) {
      appendFileSync(file, "called\n");
      return lines(file) > 1 ? text("called again") : undefined;
    },
  },
  hold: {
    description: "Adds a line to a file, and answers once another one exists.",
    properties: { file, until: file },
    call({ file, until }, id) {
      appendFileSync(file, "called\n");
      const timer = setInterval(() => {
        if (existsSync(until)) {
          clearInterval(timer);
          write({ id, result: text("held") });
        }
      }, 5);
    },
  },
  large: {
    description: "Returns a long text.",
    properties: { bytes: integer },
    call: ({ bytes }) => text("x".repeat(bytes)),
  },
  pid: { description: "Returns its process.", properties: {}, call: () => text(`process ${process.pid}`) },
  damaged: {
    description: "Replies with a message that cannot be read, or after a line of a log.",
    properties: { how: { type: "string" } },
    call({ how }, id) {
      const reply = JSON.stringify({ result: text("REPLY"), jsonrpc: "2.0", id });
      const lines = {
        surrogate: reply.replace("REPLY", "\\ud800"),
        number: reply.replace('"REPLY"', "1e999"),
        deep: reply.replace('"REPLY"', `${"[".repeat(200)}${"]".repeat(200)}`),
        cut: `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"ty`,
        nameless: '{"jsonrpc":"2.0","result":{',
        shapeless: '{"jsonrpc":"2.0","result":{"content":[]}}',
        unread: '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the request is not JSON"}}',
        glued: `a line of a log ${reply}`,
        get long() {
          return reply.replace("REPLY", "x".repeat(70_000_000));
        },
        log: `a line of a log\n{"level":30,"id":${id}}\n${reply}`,
        nested: `{"level":30,"sent":{"jsonrpc":"2.0"}}\n${reply}`,
        named: JSON.stringify({ ...JSON.parse(reply), id: String(id) }),
      };
      process.stdout.write(`${lines[how]}\n`);
    },
  },
  grow: {
    description: "Adds the tool `grown`.",
    properties: {},
    call() {
      tools.grown = { description: "It was added.", properties: {}, call: () => text("grown") };
      write({ method: "notifications/tools/list_changed" });
      return text("done");
    },
  },
};
if (mode === "many") {
  for (let n = 0; n < 3000; n++) {
    const description = `Tool number ${n} of many, which returns its number. ${"It has a long description. ".repeat(5)}`;
    tools[`tool_${n}`] = { description, properties: { file, line: integer }, call: () => text(`${n}`) };
  }
}

const write = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: "fake", version: "1" },
  }),
  ping: () => ({}),
  "tools/list"({ cursor = "0" } = {}) {
    const names = Object.keys(tools);
    const end = Number(cursor) + 100;
    const page = names.slice(Number(cursor), end).map((name) => {
      const { description, properties, outputSchema } = tools[name];
      const inputSchema = { type: "object", properties, required: Object.keys(properties) };
      return { name, description, inputSchema, ...(outputSchema && { outputSchema }) };
    });
    return { tools: page, ...(end < names.length && { nextCursor: `${end}` }) };
  },
  "tools/call": ({ name, arguments: args }, id) => tools[name].call(args ?? {}, id),
};

process.stderr.write("this is a fake server for tests\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = methods[method]?.(params, id);
  if (result) write({ id, result });
  else if (!methods[method]) write({ id, error: { code: -32601, message: `no method ${method}` } });
}
