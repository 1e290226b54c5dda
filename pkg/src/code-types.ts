// TypeScript declarations of tools, for the author of scripts: a person or a model.

import type { NamedTool } from "./code-tools.js";
import type { JsonSchema } from "./schema.js";
import { type ValueSchema, isStandard } from "./standard-schema.js";

/** Letters of a token of a model, for budgets: about as many as of source code. */
const TOKEN = 3.5;

/** Deepest schema that is written out, and most parts of one. */
const MAX_DEPTH = 12;
const MAX_PARTS = 1_000;

/**
 * Declares `tools` in at most about `budget` tokens: with types and descriptions; if that is too long with the first
 * sentences alone; then the names.
 */
export function declareTools(tools: readonly NamedTool[], budget: number): string {
  const room = budget * TOKEN;
  for (const length of ["whole", "sentence"] as const) {
    const written = declareTree(tools, (tool) => declareTool(tool, length));
    if (written.length <= room) return written;
  }
  const names = declareTree(tools, ({ path }) => `${lastName(path)}(args?: any): Promise<any>;`);
  const note = "// The types of all tools are too long to list: only their names are here.\n";
  if (note.length + names.length <= room) return note + names;
  const groups = new Map<string, number>();
  for (const { path } of tools) {
    const group = path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : path;
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  const list = [...groups].map(([group, count]) => `tools.${group} (${count})`).join(", ");
  return `// There are more tools than fit here: ${list}`.slice(0, Math.max(room, 60));
}

/** The tools that fit words best, with their declarations, in at most about `budget` tokens. */
export function searchTools(tools: readonly NamedTool[], query: string, limit: number, budget: number): string {
  const words = query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
  const ranked = tools.map((tool) => ({ tool, rank: rankOf(tool, words) })).filter(({ rank }) => rank > 0 || words.length === 0);
  // The sort is stable: equal ones remain in their order.
  const best = ranked.sort((a, b) => b.rank - a.rank).slice(0, limit).map(({ tool }) => tool);
  return best.length === 0 ? `// No tool fits ${JSON.stringify(query)}.` : declareTools(best, budget);
}

function rankOf({ path, description = "" }: NamedTool, words: readonly string[]): number {
  const [name, text] = [path.toLowerCase(), description.toLowerCase()];
  return words.reduce((rank, word) => rank + (name.includes(word) ? 3 : 0) + (text.includes(word) ? 1 : 0), 0);
}

/** The declaration of all tools as one object, in the order of their paths. */
function declareTree(tools: readonly NamedTool[], declare: (tool: NamedTool) => string): string {
  interface Node {
    text?: string;
    members: Map<string, Node>;
  }
  const root: Node = { members: new Map() };
  for (const tool of tools) {
    let node = root;
    for (const name of tool.path.split(".")) {
      const next = node.members.get(name) ?? { members: new Map() };
      node.members.set(name, next);
      node = next;
    }
    node.text = declare(tool);
  }
  const write = ({ members }: Node, indent: string): string =>
    [...members].map(([name, node]) => {
      const own = node.text === undefined ? `${name}: {\n${write(node, `${indent}  `)}\n${indent}};` : node.text.replaceAll("\n", `\n${indent}`);
      return indent + own;
    }).join("\n");
  return `declare const tools: {\n${write(root, "  ")}\n};\n`;
}

function declareTool(tool: NamedTool, length: "whole" | "sentence"): string {
  const { path, description = "", approve, output } = tool;
  const input = jsonSchemaOf(tool.input, "input");
  const text = length === "whole" ? description : description.split(/(?<=[.!?])\s|\n/)[0];
  const notes = [text?.trim() ?? "", approve ? "A person approves the call before it runs." : ""].filter((note) => note !== "");
  const comment = notes.length === 0 ? "" : `/** ${notes.join(" ").replaceAll("*/", "* /").replaceAll("\n", "\n * ")} */\n`;
  const result = output === undefined ? "any" : typeOf(jsonSchemaOf(output, "output"));
  return `${comment}${lastName(path)}(${argsOf(input)}): Promise<${result}>;`;
}

/** The parameter of a tool. It may be left out if nothing in it is required. */
function argsOf(schema: JsonSchema | undefined): string {
  if (schema === undefined) return "args?: any";
  const isOptional = schema.type === "object" && (schema.required ?? []).length === 0;
  return `args${isOptional ? "?" : ""}: ${typeOf(schema)}`;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** The JSON Schema of a schema, if its library can write one (Standard JSON Schema 1, or `toJSONSchema` of Zod). */
export function jsonSchemaOf(schema: ValueSchema | undefined, io: "input" | "output"): JsonSchema | undefined {
  if (schema === undefined || !isStandard(schema)) return schema;
  interface Writers {
    readonly "~standard": { readonly jsonSchema?: { readonly [io: string]: (options: { target: string }) => JsonSchema } };
    readonly toJSONSchema?: (options: { io: string; unrepresentable: string }) => JsonSchema;
  }
  const { "~standard": standard, toJSONSchema } = schema as unknown as Writers;
  try {
    return standard.jsonSchema?.[io]?.({ target: "draft-2020-12" }) ?? toJSONSchema?.call(schema, { io, unrepresentable: "any" });
  } catch {
    // A type that JSON Schema does not have. The schema itself checks values all the same.
    return undefined;
  }
}

/** The TypeScript type of the values of a JSON Schema. What types cannot express is in comments. */
export function typeOf(schema: JsonSchema | boolean | undefined, root = schema, depth = 0, written = { parts: 0 }): string {
  written.parts += 1;
  if (typeof schema !== "object" || schema === null || depth > MAX_DEPTH || written.parts > MAX_PARTS) return "any";
  const inner = (part: JsonSchema | boolean | undefined) => typeOf(part, root, depth + 1, written);
  if ("const" in schema) return literal(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map(literal).join(" | ") || "never";
  if (typeof schema.$ref === "string") return inner(refer(root, schema.$ref));
  // Beside properties, branches say which of them belong together.
  const branches = schema.properties === undefined ? (schema.anyOf ?? schema.oneOf) : undefined;
  if (branches !== undefined) return branches.map((branch) => grouped(inner(branch))).join(" | ") || "any";
  if (schema.allOf !== undefined && schema.properties === undefined) return schema.allOf.map((branch) => grouped(inner(branch))).join(" & ") || "any";
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? [schema.properties === undefined ? "any" : "object"]);
  return types.map((type) => {
    switch (type) {
      case "object": return objectType(schema, inner);
      case "array": return `${grouped(inner(schema.items))}[]`;
      case "integer": return "number";
      default: return type;
    }
  }).join(" | ");
}

function objectType({ properties = {}, required = [], additionalProperties }: JsonSchema, inner: (part: JsonSchema | boolean | undefined) => string): string {
  const members = Object.entries(properties).map(([name, property]) => {
    const key = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : JSON.stringify(name);
    return `${key}${required.includes(name) ? "" : "?"}: ${inner(property)}${noteOf(property)}`;
  });
  if (members.length > 0) return `{ ${members.join("; ")} }`;
  return typeof additionalProperties === "object" ? `{ [key: string]: ${inner(additionalProperties)} }` : "{ [key: string]: any }";
}

/** The constraints of a property that its type does not have, as the names of JSON Schema. */
const CONSTRAINTS = ["format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default"] as const;

function noteOf(schema: JsonSchema): string {
  if (typeof schema !== "object" || schema === null) return "";
  const constraints = CONSTRAINTS.filter((name) => schema[name] !== undefined).map((name) => `${name} ${JSON.stringify(schema[name])}`);
  const description = typeof schema.description === "string" ? [schema.description] : [];
  const note = [...description, ...constraints].join(", ").replaceAll("*/", "* /").replaceAll("\n", " ");
  return note === "" ? "" : ` /* ${note} */`;
}

function grouped(type: string): string {
  return / [|&] /.test(type) && !type.startsWith("{") ? `(${type})` : type;
}

function literal(value: unknown): string {
  return JSON.stringify(value) ?? "any";
}

/** The schema at a pointer as `#/$defs/Name`. */
function refer(root: JsonSchema | boolean | undefined, pointer: string): JsonSchema | undefined {
  const parts = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return parts.reduce<unknown>((at, part) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[part] : undefined), root) as JsonSchema | undefined;
}
