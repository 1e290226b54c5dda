// answers: ["{\"tool\": \"add\", \"args\": {\"a\": 2, \"b\": 40}}", "{\"tool\": \"weather\", \"args\": {\"city\": \"Oslo\"}}", {"celsius": -3}, "{\"tool\": \"nope\"}", "{\"tool\": \"add\", \"args\": {\"a\": \"two\"}}", "{\"done\": \"It is cold in Oslo, and 2 + 40 is 42.\"}"]
interface Tool<A = any, R = any> {
  name: string;
  description: string;
  parameters: Record<string, "string" | "number" | "boolean">;
  execute(args: A): R | Promise<R>;
}

class ToolRegistry {
  private readonly tools: Map<string, Tool> = new Map();
  register<A, R>(tool: Tool<A, R>): this {
    if (this.tools.has(tool.name)) throw new Error(`duplicate tool: ${tool.name}`);
    this.tools.set(tool.name, tool);
    return this;
  }
  get manual(): string {
    return Array.from(this.tools.values(), ({ name, description, parameters }) => `${name}(${Object.entries(parameters).map(([k, t]) => `${k}: ${t}`).join(", ")}): ${description}`).join("\n");
  }
  async run(name: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const tool = this.tools.get(name);
    if (!tool) throw new Error(`unknown tool "${name}", use one of ${[...this.tools.keys()]}`);
    for (const [key, type] of Object.entries(tool.parameters)) {
      if (typeof args[key] !== type) throw new TypeError(`${name}.${key}: expected ${type}, got ${typeof args[key]}`);
    }
    return tool.execute(args);
  }
}

const registry = new ToolRegistry()
  .register({ name: "add", description: "adds two numbers", parameters: { a: "number", b: "number" }, execute: ({ a, b }: { a: number; b: number }) => a + b })
  .register({
    name: "weather",
    description: "returns the weather",
    parameters: { city: "string" },
    async execute({ city }: { city: string }) {
      const { celsius } = await call("weather", { city });
      return `${celsius}°C in ${city}`;
    },
  });

async function main(): Promise<string> {
  console.log(registry.manual);
  const transcript: string[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const reply = JSON.parse(await CC(`Tools:\n${registry.manual}\n${transcript.join("\n")}`));
    if ("done" in reply) return reply.done;
    let observation: string;
    try {
      observation = String(await registry.run(reply.tool, reply.args));
    } catch (error) {
      observation = `error: ${(error as Error).message}`;
    }
    console.log(`${turn}: ${reply.tool} -> ${observation}`);
    transcript.push(observation);
  }
  throw new Error("too many turns");
}
