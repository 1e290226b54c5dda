// The types of the built package as a user sees them. This file is only compiled, never run.

import { type CallView, type FromSchema, type Json, type JsonInput, type Question, type Run, type Runstate, type StandardSchema, CallFailure, RunstateError, open, tool } from "runstate";
import { compile, type Diagnostic } from "runstate/compiler";
import compilerWasm from "runstate/compiler.wasm";
import nodeWasm from "runstate/node.wasm";
import runtimeWasm from "runstate/runstate.wasm";
import { init } from "runstate/slim";
import { simulated } from "runstate/testing";
import type { Apps, Step } from "runstate/apps";
import type { Budgets, ResourceBudget } from "runstate/fleet";
import type { Session } from "runstate/sessions";
import type { CommandParameters, ErrorInit } from "runstate/types";

/** Whether two types are the same. `any` equals only itself. */
type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

// Schemas.
holds<Equals<FromSchema<{ type: "string" }>, string>>();
holds<Equals<FromSchema<{ type: "integer" }>, number>>();
holds<Equals<FromSchema<{ type: "null" }>, null>>();
holds<Equals<FromSchema<{ type: readonly ["string", "null"] }>, string | null>>();
holds<Equals<FromSchema<{ enum: readonly ["a", "b", 3] }>, "a" | "b" | 3>>();
holds<Equals<FromSchema<{ const: { readonly a: 1 } }>, { a: 1 }>>();
holds<Equals<FromSchema<{ type: "array"; items: { type: "boolean" } }>, boolean[]>>();
holds<Equals<FromSchema<{ type: "array" }>, Json[]>>();
holds<Equals<FromSchema<{ type: "object" }>, { [key: string]: Json }>>();
holds<Equals<FromSchema<{ type: "object"; additionalProperties: { type: "number" } }>, { [key: string]: number }>>();
holds<Equals<FromSchema<{ minLength: 1 }>, Json>>();
holds<Equals<FromSchema<{ anyOf: readonly [{ type: "string" }, { type: "null" }] }>, string | null>>();
holds<Equals<FromSchema<{ oneOf: readonly [{ const: "a" }, { enum: readonly ["b", 1] }] }>, "a" | "b" | 1>>();
holds<Equals<FromSchema<{ allOf: readonly [{ type: "integer" }, { minimum: 3 }] }>, number & Json>>();
holds<Equals<FromSchema<{ type: "array"; items: { $ref: "#/$defs/size" }; $defs: { size: { enum: readonly ["s", "l"] } } }>, ("s" | "l")[]>>();
type Tree = FromSchema<{
  $ref: "#/$defs/tree";
  $defs: {
    tree: { type: "object"; required: readonly ["value"]; properties: { value: { type: "integer" }; left: { $ref: "#/$defs/tree" } } };
  };
}>;
const leaf: Tree = { value: 1, left: { value: 2, left: { value: 3 } } };
holds<Equals<NonNullable<(typeof leaf)["left"]>["value"], number>>();
type Person = FromSchema<{
  type: "object";
  required: readonly ["name"];
  properties: { name: { type: "string" }; age: { type: "integer" }; tags: { type: "array"; items: { enum: readonly ["x", "y"] } } };
}>;
holds<Equals<Person, { name: string; age?: number; tags?: ("x" | "y")[] }>>();

export async function use(rs: Runstate, run: Run, q: Question, signal: AbortSignal): Promise<void> {
  // Every JSON value is accepted, also read-only values and optional members.
  interface Input {
    path: string;
    depth?: number;
  }
  const input: Input = { path: "src" };
  await rs.start("review", { input: { ...input }, signal, commandId: "c" });
  // Interfaces too, however deep, and lists of them.
  interface Tree {
    readonly name: string;
    note: string | undefined;
    above: Input | null;
    children?: readonly Tree[];
  }
  const tree: Tree = { name: "a", note: undefined, above: input, children: [{ name: "b", note: "n", above: null }] };
  await rs.start("review", { input });
  await rs.start("review", { input: tree });
  await rs.start("review", { input: [tree, { tree }] });
  await run.answer(tree);
  await q.answer(tree);
  const jsonInput: JsonInput = { a: [1] };
  const json: Json = { a: [1] };
  await rs.start("review", { input: jsonInput });
  await run.answer(json);
  await q.answer(Math.random() > 0.5 ? input : null);
  interface Meeting {
    at: { when: Date };
  }
  const meeting: Meeting = { at: { when: new Date() } };
  // @ts-expect-error a Date within an interface is not accepted
  await rs.start("review", { input: meeting });
  // @ts-expect-error the same in an answer
  await run.answer(meeting);
  // @ts-expect-error the same in an answer to a question
  await q.answer(meeting);
  // @ts-expect-error the same in a list
  await q.answer([meeting]);
  // @ts-expect-error `unknown` may be a value that JSON cannot represent
  await run.answer(tree as unknown);
  // @ts-expect-error undefined is not an answer
  await run.answer(undefined);
  // @ts-expect-error a Map is not accepted
  await q.answer(new Map([["a", 1]]));
  await rs.start("review", { input: ["a", { b: [null, true] }] as const });
  // @ts-expect-error a Date is not accepted
  await rs.start("review", { input: new Date() });
  // @ts-expect-error functions are not accepted
  await rs.start("review", { input: { f: () => 1 } });
  // @ts-expect-error a misspelled option is an error
  await rs.start("review", { inputs: 1 });

  // Questions accept any answer until `as` names their schema.
  await q.answer("yes");
  await q.answer({ any: [1] });
  const person = q.as({ type: "object", required: ["name"], properties: { name: { type: "string" }, age: { type: "integer" } } });
  await person.answer({ name: "Ada" });
  await person.answer({ name: "Ada", age: 36 });
  // @ts-expect-error the name is required
  await person.answer({ age: 36 });
  // @ts-expect-error the name is a string
  await person.answer({ name: 36 });
  await q.as({ enum: ["small", "large"] }).answer("small");
  // @ts-expect-error not a member of the enum
  await q.as({ enum: ["small", "large"] }).answer("huge");

  // Documents have the type of an interface, or of a schema.
  interface Note {
    tag: string;
    text?: string;
  }
  const notes = rs.collection<Note>("notes");
  const note: Note = { tag: "home" };
  const inserted: string = await notes.insert("n", note);
  const revision: string | null = await notes.insert("n", note, { ifAbsent: true });
  await notes.delete("n", { expect: revision ?? inserted, signal });
  const stored = await notes.get("n");
  if (stored !== null) {
    holds<Equals<typeof stored.text, string | undefined>>();
    holds<Equals<typeof stored._rev, string>>();
    await notes.put("n", { ...stored, text: "a" });
  }
  // @ts-expect-error the tag is required
  await notes.insert("n", {});
  // @ts-expect-error the tag is a string
  await notes.put("n", { tag: 1 });
  const people = rs.collection("people", { schema: { type: "object", required: ["name"], properties: { name: { type: "string" }, age: { type: "integer" } } } });
  await people.insert("p", { name: "Ada" });
  const age: number | undefined = (await people.query({ limit: 1 })).items[0]?.age;
  // @ts-expect-error the name is required
  await people.insert("p", { age });
  const parsed = rs.collection("parsed", { schema: null! as StandardSchema<{ size: string }, { size: number }> });
  await parsed.insert("p", { size: "1" });
  const size: number | undefined = (await parsed.get("p"))?.size;
  // @ts-expect-error the schema takes a text
  await parsed.insert("p", { size });
  holds<Equals<Awaited<ReturnType<typeof parsed.count>>, number>>();

  // Handlers: `cc` receives questions, tools receive their arguments.
  // The type of a tool's arguments may be narrower than `Json`, and a tool may return nothing.
  const artifact: string = await rs.apps.artifacts.put(new Blob(["a"]).stream(), { execution: "e", step: 1, type: "log", name: "a.txt", metadata: { ...input }, signal });
  const bytes: ReadableStream<Uint8Array> = await rs.apps.artifacts.read(artifact, { start: 1 });
  // @ts-expect-error an artifact has a name
  await rs.apps.artifacts.put(bytes, { execution: "e", step: 1, type: "log" });
  // @ts-expect-error a stream of an artifact consists of bytes
  await rs.apps.artifacts.put((async function* () { yield "a"; })(), { execution: "e", step: 1, type: "log", name: "a.txt" });
  rs.worker({ weather: async (args: { city: string }) => `sunny in ${args.city}`, notify: () => {} });
  const stop = rs.worker({
    cc: async (question, task) => {
      holds<Equals<typeof question.prompt, string>>();
      holds<Equals<typeof task.signal, AbortSignal>>();
      return question.choices?.[0] ?? null;
    },
    search: (args, { attempt }) => {
      holds<Equals<typeof args, Json>>();
      holds<Equals<typeof attempt, number>>();
      if (args === null) throw new CallFailure("nothing to search", { final: true });
      return [{ found: true }];
    },
  }, { concurrency: { search: 4 } });
  // @ts-expect-error a handler must return a JSON value
  rs.worker({ cc: () => new Map() });
  // @ts-expect-error the worker has no handler of this kind
  rs.worker({ cc: () => 1 }, { concurrency: { search: 4 } });
  // The type of an answer may be an interface.
  rs.worker({ cc: () => tree, search: async () => input });
  // So may the type of arguments, and that of all handlers together. Arguments without a type are JSON.
  interface Place {
    city: string;
    near?: Place;
  }
  interface Answers {
    cc(question: CallView): string;
    weather(args: Place): Promise<string>;
  }
  rs.worker({ weather: async (args: Place) => args.city, echo: (args) => args });
  rs.worker(null! as Answers, { concurrency: { weather: 2 } });
  // @ts-expect-error a tool must return a JSON value
  rs.worker({ weather: (args: Place) => new Map([[args.city, 1]]) });
  // @ts-expect-error a handler is a function
  rs.worker({ weather: "sunny" });
  rs.apps.worker({ fetch: async (place: Place, { attempt }) => ({ place, attempt }), echo: (args) => holds<Equals<typeof args, Json>>() });
  rs.apps.worker(null! as { fetch(place: Place): Promise<Place> } & object, { concurrency: { fetch: 2 } });
  const ended: Promise<void> = stop();
  await Promise.all([ended, stop.done]);

  // The store has the methods of its runs.
  holds<Equals<typeof rs.load, typeof rs.runs.load>>();
  // @ts-expect-error it is `rs.runs` now
  void rs.cvm.load;
  // @ts-expect-error it is `rs.sessions` now
  void rs.orchestration.session;

  // Types of domains.
  holds<Equals<typeof rs.apps, Apps>>();
  const step = null! as Step;
  holds<Equals<typeof step.id, string>>();
  const budget: ResourceBudget | undefined = (await rs.budgets.list({ owner: "team-a" })).items[0];
  holds<Equals<typeof rs.budgets, Budgets>>();
  const session: Session | undefined = (await rs.sessions.session.list()).items[0];
  void [budget, session];
  const wrong: ErrorInit & Partial<CommandParameters> = { code: "not_found", message: "gone" };
  void wrong;

  // Streams.
  for await (const question of rs.questions({ kinds: ["cc"], program: "review", signal })) {
    holds<Equals<typeof question, Question<JsonInput>>>();
    if (question.isApproval) await question.approve({ by: "ann" });
    // @ts-expect-error someone rejects it
    else await question.reject({ reason: "no" });
  }
  for await (const question of run.questions({ signal })) holds<Equals<typeof question, Question<JsonInput>>>();
  for await (const line of run.lines()) holds<Equals<typeof line, string>>();
  for await (const change of rs.changes({ collection: "cvm.executions" })) holds<Equals<typeof change.revision, string | null>>();
  for await (const change of rs.runs.changes({ kinds: ["call"] })) holds<Equals<typeof change.deleted, boolean>>();
  // @ts-expect-error not a subject of changes
  rs.runs.changes({ kinds: ["weather"] });

  // Results and errors.
  const result = await run.result();
  holds<Equals<typeof result, Json>>();
  interface Review {
    stars: number;
  }
  const review = await run.result<Review>({ signal });
  holds<Equals<typeof review, Review>>();
  await run.retry({ programVersion: 2, heapBytes: 1 << 28, instructions: 1e9, outputBytes: 1e9, commandId: "c" });
  // @ts-expect-error: not a limit
  await run.retry({ maxInstructions: 1e9 });
  await run.cancel({ graceful: true, deadlineMs: 60_000 });
  if (run.status === "complete") return;
  // @ts-expect-error there is no such status
  if (run.status === "finished") return;
  const error = new RunstateError({ code: "not_found", message: "gone" });
  holds<Equals<typeof error.retryable, boolean>>();
  // @ts-expect-error there is no such code
  if (error.code === "missing") throw error;
}

export async function entries(): Promise<void> {
  const rs: Runstate = await open("memory:", { timers: "off", log: "warn", retentionMs: 1 });
  const { bytecode, compiler } = await compile("review", "1");
  await rs.load({ name: "review", source: "1", bytecode, compiler });
  holds<Equals<Diagnostic["line"], number>>();
  await init(new URL("https://example.org/runstate.wasm"), { compile });
  const world = await simulated({ now: 0 });
  world.fail({ on: "commit", nth: 2, fault: "lost" });
  const inWorld: Runstate = await world.open("memory:");
  await inWorld.close();
  await using disposed = await open("memory:");
  await disposed.info();
}

/** Whatever a bundler gives for an import of WebAssembly, `init` takes it. */
export const initialized = [init(runtimeWasm, { compilerWasm }), init(nodeWasm)];

// Scripts: the arguments of tools have the types of their schemas, or those that the function gives them.
export async function scripts(rs: Runstate, schema: StandardSchema<{ q: string }, { q: string; n: number }>): Promise<void> {
  const code = rs.code({
    tools: {
      crm: { find: async ({ days }: { days: number }) => [days], all: (args) => args },
      refund: tool({ approve: ({ order }: { order: string }) => order !== "", run: async ({ order }: { order: string }) => order }),
      typed: tool({ input: schema, run: ({ q, n }) => q.repeat(n), revert: ({ n }) => holds<Equals<typeof n, number>>() }),
      json: tool({ input: { type: "object", required: ["n"], properties: { n: { type: "integer" } } }, output: { type: "number" }, run: ({ n }) => n + 1 }),
      // @ts-expect-error: the result is not that of the schema.
      wrong: tool({ output: { type: "number" }, run: () => "1" }),
      // @ts-expect-error: the arguments are not those of the schema.
      other: tool({ input: { type: "object", required: ["n"], properties: { n: { type: "integer" } } }, run: ({ n }: { n: string }) => n }),
    },
  });
  // Without a schema and a type, the members of arguments are JSON, where a script passes them.
  interface Order {
    order: string;
    parts?: Order[];
  }
  interface Shop {
    find(order: Order): Promise<Order>;
  }
  const shop = null! as Shop;
  rs.code({
    tools: {
      plain: ({ days }) => holds<Equals<typeof days, Json | undefined>>(),
      json: tool({ approve: ({ n }) => holds<Equals<typeof n, Json | undefined>>() === undefined, run: ({ n }, { attempt }) => holds<Equals<typeof n, Json | undefined>>() ?? attempt }),
      find: async (order: Order) => order.parts ?? [],
      typed: tool({ run: async (order: Order) => order, revert: (order, found: Order) => void (order.order === found.order) }),
      shop,
      deep: { shop },
    },
  });
  rs.code({ tools: null! as { shop: Shop; find: Shop["find"] } });
  rs.code({ tools: shop, serve: false });
  // @ts-expect-error: a tool is a function, or an object.
  rs.code({ tools: { find: "orders" } });
  const r = await code.run("return input", { input: { a: 1 } });
  r.warnings satisfies string[] | undefined;
  if (r.status === "complete") holds<Equals<typeof r.result, Json>>();
  else if (r.status === "waiting") for (const call of r.running === true ? [] : r.pending) await code.approve(call, { by: "ann" });
  else holds<Equals<typeof r.error.kind, "compile" | "limit" | "error" | "cancelled">>();
  // @ts-expect-error: JSON has no functions.
  await code.run("return input", { input: { a: () => 1 } });
}
