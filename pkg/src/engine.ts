// An open store below the public API: operations by name, with JSON values as parameters and results. The public API
// (runstate.ts, runs.ts, run.ts) is built on it.

import { untilAborted } from "./abort.js";
import { createAppFeed, createFeed } from "./changes.js";
import type { TypeDiagnostic } from "./code-states.js";
import { ExecutionFollower } from "./follower.js";
import { COMMANDS, type OperationCaller } from "./generated.js";
import type { Instance, RawHandler, RawRunstate, RawWorkerHandle } from "./instance.js";
import { RunstateError } from "./errors.js";
import { encodeParams } from "./json-encoding.js";
import { checkOptions, signal as signalValidator, validate } from "./validation.js";
import type { ImportChoices } from "./options.js";
import type { CompiledSource, ImportResult, OperationName, Operations, ProgramFile, Progress } from "./wire.js";

/** Compiles a program's source. */
export type CompileFunction = (name: string, source: string, options?: SourceOptions) => Promise<CompiledSource>;

/** What a source is compiled with. */
export interface SourceOptions {
  /** Path of the source; by default `main.ts`. */
  entry?: string;
  /** The files that the source may import. Files that are not imported are ignored. */
  files?: ProgramFile[];
  /** Whether the source is a script: the body of an async function, whose `return` gives the result. Default: false. */
  script?: boolean;
  /** The tools that the source may call by `tools`, as `pay.refund`. Default: all names are accepted. */
  tools?: string[];
}

/** Checks the types of a script with the declaration of its tools. Errors: `unavailable`. */
export type CheckTypesFunction = (script: string, declarations: string) => Promise<TypeDiagnostic[]>;

/** An open store. */
export class Engine implements OperationCaller {
  /** Called after every command, which may have changed the next due time. */
  onDueChange: () => void = () => {};
  /** The changes of executions, for all that wait for one. */
  readonly follower = new ExecutionFollower(() => createFeed(this, { kinds: ["execution", "call", "output"] }));
  /** The changes of executions of apps, for all that wait for one. */
  readonly appFollower = new ExecutionFollower(() => createAppFeed(this));

  constructor(
    private readonly instance: Instance,
    private readonly raw: RawRunstate,
    /** The URL with which the store was opened. */
    readonly url: string,
    /** Compiles sources; undefined if this host has no compiler. */
    private readonly compiler: CompileFunction | undefined,
    /** The current time, in milliseconds since 1970. */
    readonly now: () => number,
    /** Logs a warning with its cause. */
    readonly warn: (message: string, cause: unknown) => void,
    /** Undefined if this host does not check types. */
    readonly checkTypes?: CheckTypesFunction,
  ) {}

  /** Compiles a source. Errors: `compile_error`; `unsupported` if this host has no compiler. */
  async compile(name: string, source: string, options: SourceOptions): Promise<CompiledSource> {
    if (this.compiler !== undefined) return this.compiler(name, source, options);
    const message = "the source cannot be compiled: this host has no compiler. Pass `bytecode`, or provide a compiler: `init(wasm, { compilerWasm })`";
    throw new RunstateError({ code: "unsupported", message });
  }

  /** Calls an operation. Every failure is a `RunstateError`, or the reason of the signal. */
  async call(name: string, params: object, signal?: AbortSignal): Promise<unknown> {
    if (signal !== undefined) validate(`${name}: \`signal\``, signal, signalValidator).throwIfAborted();
    const json = encodeParams(name, params);
    const result = await untilAborted(
      this.instance.run(() => this.raw.call(name, json)),
      signal,
    );
    if (COMMANDS.has(name)) this.onDueChange();
    return result;
  }

  /** Like {@link Engine.call}, with the options of a caller and further parameters. */
  async invoke<N extends OperationName>(name: N, options: object, subjects: object = {}): Promise<Operations[N]["result"]> {
    const { signal, ...params } = checkOptions(name, options) as { signal?: AbortSignal };
    return this.call(name, { ...params, ...subjects }, signal) as Promise<Operations[N]["result"]>;
  }

  /** Checks a value against a JSON Schema, both as JSON text; without a value, the schema itself. Throws `invalid`, or
   * `usage` for a schema that cannot be used. `name` names the value or the schema in the error. */
  check(name: string, schema: string, value?: string): void {
    this.instance.runNow(() => this.raw.check(name, schema, value));
  }

  /** Starts a worker; see `worker.ts`. */
  worker(items: string, options: string, handler: RawHandler, onEvent?: (event: unknown) => void): RawWorkerHandle {
    return this.instance.runNow(() => this.raw.worker(items, options, handler, onEvent));
  }

  /** Calls the exports of the store directly, with the errors that callers see. */
  run<T>(call: (raw: RawRunstate) => Promise<T>): Promise<T> {
    return this.instance.run(async () => call(this.raw));
  }

  /** Calls an export of `part` that modules of pages do not have. */
  runExcluded<T>(part: string, call: (raw: RawRunstate) => Promise<T> | undefined): Promise<T> {
    return this.run((raw) => {
      const result = call(raw);
      if (result !== undefined) return result;
      throw new RunstateError({ code: "unsupported", message: `this module of runstate does not have ${part}; in a page, import \`runstate/full\`` });
    });
  }

  /** Settles as a worker's promise does, with the errors that callers see. */
  mapErrors<T>(promise: Promise<T>): Promise<T> {
    return this.instance.run(() => promise);
  }

  /** Writes an export in chunks of whole lines. A chunk of null discards all chunks before it: the export restarts. */
  async export(params: { collection?: string; id?: string }, sink: (chunk: string | null) => void, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const json = encodeParams("export", params);
    await untilAborted(
      this.instance.run(() => this.raw.export(json, sink)),
      signal,
    );
  }

  async import(
    bytes: Uint8Array,
    params: ImportChoices,
    progress: ((event: Progress) => void) | undefined,
    signal?: AbortSignal,
  ): Promise<ImportResult> {
    signal?.throwIfAborted();
    const json = encodeParams("import", params);
    const result = await untilAborted(
      this.runExcluded("imports", (raw) => raw.import?.(bytes, json, progress)),
      signal,
    );
    this.onDueChange();
    return result;
  }

  close(): Promise<void> {
    return this.instance.run(() => this.raw.close());
  }
}
