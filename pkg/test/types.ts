// What the types of the package say, as a user sees them over the built package. Only compiled, never run.

import { type FromSchema, type Json, type Plain, type Question, type Run, type Runstate, CallFailure, RunstateError, open } from "runstate";
import { compile, type Diagnostic } from "runstate/compiler";
import { init } from "runstate/slim";
import { simulated } from "runstate/testing";

/** Holds where both are the same type, `any` being the same as nothing else. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

// Schemas.
holds<Same<FromSchema<{ type: "string" }>, string>>();
holds<Same<FromSchema<{ type: "integer" }>, number>>();
holds<Same<FromSchema<{ type: "null" }>, null>>();
holds<Same<FromSchema<{ type: readonly ["string", "null"] }>, string | null>>();
holds<Same<FromSchema<{ enum: readonly ["a", "b", 3] }>, "a" | "b" | 3>>();
holds<Same<FromSchema<{ const: { readonly a: 1 } }>, { a: 1 }>>();
holds<Same<FromSchema<{ type: "array"; items: { type: "boolean" } }>, boolean[]>>();
holds<Same<FromSchema<{ type: "array" }>, Json[]>>();
holds<Same<FromSchema<{ type: "object" }>, { [key: string]: Json }>>();
holds<Same<FromSchema<{ type: "object"; additionalProperties: { type: "number" } }>, { [key: string]: number }>>();
holds<Same<FromSchema<{ minLength: 1 }>, Json>>();
type Person = FromSchema<{
  type: "object";
  required: readonly ["name"];
  properties: { name: { type: "string" }; age: { type: "integer" }; tags: { type: "array"; items: { enum: readonly ["x", "y"] } } };
}>;
holds<Same<Person, { name: string; age?: number; tags?: ("x" | "y")[] }>>();

export async function use(rs: Runstate, run: Run, q: Question, signal: AbortSignal): Promise<void> {
  // Whatever is plain can be given, also what is read-only or has members that are left out.
  interface Input {
    path: string;
    depth?: number;
  }
  const input: Input = { path: "src" };
  await rs.cvm.start("review", { input: { ...input }, signal, commandId: "c" });
  // Interfaces too, however deep, and lists of them.
  interface Tree {
    readonly name: string;
    note: string | undefined;
    above: Input | null;
    children?: readonly Tree[];
  }
  const tree: Tree = { name: "a", note: undefined, above: input, children: [{ name: "b", note: "n", above: null }] };
  await rs.cvm.start("review", { input });
  await rs.cvm.start("review", { input: tree });
  await rs.cvm.start("review", { input: [tree, { tree }] });
  await run.answer(tree);
  await q.answer(tree);
  const plainly: Plain = { a: [1] };
  const json: Json = { a: [1] };
  await rs.cvm.start("review", { input: plainly });
  await run.answer(json);
  await q.answer(Math.random() > 0.5 ? input : null);
  interface Dated {
    at: { when: Date };
  }
  const dated: Dated = { at: { when: new Date() } };
  // @ts-expect-error a date is none within an interface either
  await rs.cvm.start("review", { input: dated });
  // @ts-expect-error nor as an answer
  await run.answer(dated);
  // @ts-expect-error nor to a question
  await q.answer(dated);
  // @ts-expect-error nor within a list
  await q.answer([dated]);
  // @ts-expect-error what may be anything may be what is not plain
  await run.answer(tree as unknown);
  // @ts-expect-error nothing is no answer
  await run.answer(undefined);
  // @ts-expect-error a map is none
  await q.answer(new Map([["a", 1]]));
  await rs.cvm.start("review", { input: ["a", { b: [null, true] }] as const });
  // @ts-expect-error a date is no plain value
  await rs.cvm.start("review", { input: new Date() });
  // @ts-expect-error functions are none
  await rs.cvm.start("review", { input: { f: () => 1 } });
  // @ts-expect-error what is misspelt is told
  await rs.cvm.start("review", { inputs: 1 });

  // Questions take any answer until their schema is named.
  await q.answer("yes");
  await q.answer({ any: [1] });
  const who = q.as({ type: "object", required: ["name"], properties: { name: { type: "string" }, age: { type: "integer" } } });
  await who.answer({ name: "Ada" });
  await who.answer({ name: "Ada", age: 36 });
  // @ts-expect-error a name is needed
  await who.answer({ age: 36 });
  // @ts-expect-error it is a text
  await who.answer({ name: 36 });
  await q.as({ enum: ["small", "large"] }).answer("small");
  // @ts-expect-error it is none of these
  await q.as({ enum: ["small", "large"] }).answer("huge");

  // Handlers: questions for `cc`, arguments for tools.
  // What a tool is given may be declared more closely, and it may have nothing to say.
  rs.cvm.worker({ weather: async (args: { city: string }) => `sunny in ${args.city}`, notify: () => {} });
  const stop = rs.cvm.worker({
    cc: async (question, task) => {
      holds<Same<typeof question.prompt, string>>();
      holds<Same<typeof task.signal, AbortSignal>>();
      return question.choices?.[0] ?? null;
    },
    search: (args, { attempt }) => {
      holds<Same<typeof args, Json>>();
      holds<Same<typeof attempt, number>>();
      if (args === null) throw new CallFailure("nothing to search", { final: true });
      return [{ found: true }];
    },
  }, { concurrency: { search: 4 } });
  // @ts-expect-error a handler answers with a plain value
  rs.cvm.worker({ cc: () => new Map() });
  // @ts-expect-error that is no kind that is served
  rs.cvm.worker({ cc: () => 1 }, { concurrency: { search: 4 } });
  // What it answers may be an interface.
  rs.cvm.worker({ cc: () => tree, search: async () => input });
  const ended: Promise<void> = stop();
  await Promise.all([ended, stop.done]);

  // Streams.
  for await (const question of run.questions({ signal })) holds<Same<typeof question, Question<Plain>>>();
  for await (const line of run.lines()) holds<Same<typeof line, string>>();
  for await (const change of rs.changes({ collection: "cvm.executions" })) holds<Same<typeof change.revision, string | null>>();
  for await (const change of rs.cvm.changes({ things: ["call"] })) holds<Same<typeof change.deleted, boolean>>();
  // @ts-expect-error there is no such thing
  rs.cvm.changes({ things: ["weather"] });

  // Results and errors.
  holds<Same<Awaited<ReturnType<Run["result"]>>, Json>>();
  if (run.status === "complete") return;
  // @ts-expect-error there is no such status
  if (run.status === "finished") return;
  const error = new RunstateError({ code: "not_found", message: "gone" });
  holds<Same<typeof error.retryable, boolean>>();
  // @ts-expect-error there is no such code
  if (error.code === "missing") throw error;
}

export async function entries(): Promise<void> {
  const rs: Runstate = await open("memory:", { timers: "off", log: "warn", retentionMs: 1 });
  const { bytecode, compiler } = await compile("review", "1");
  await rs.cvm.load({ name: "review", source: "1", bytecode, compiler });
  holds<Same<Diagnostic["line"], number>>();
  await init(new URL("https://example.org/runstate.wasm"), { compile });
  const world = await simulated({ now: 0 });
  world.fail({ on: "commit", nth: 2, fault: "lost" });
  const inWorld: Runstate = await world.open("memory:");
  await inWorld.close();
  await using disposed = await open("memory:");
  await disposed.info();
}
