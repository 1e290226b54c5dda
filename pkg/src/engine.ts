// An open store below the public API: operations by name, with JSON values as parameters and results. The public API (runstate.ts, cvm.ts, run.ts) is
// built on it.

import { untilAborted } from "./abort.js";
import { type OptionValidators, validateOptions } from "./validation.js";
import { encodeParams } from "./surrogates.js";
import type { Instance, RawHandler, RawRunstate, RawWorkerHandle } from "./instance.js";
import type { WaitOptions } from "./options.js";
import type { Calls, CompiledSource, ImportResult, OperationName } from "./wire.js";

/** Compiles a program's source. */
export type CompileFunction = (name: string, source: string) => Promise<CompiledSource>;

/** Operations after which work may be due earlier. */
const DUE_CHANGING_METHODS: ReadonlySet<OperationName> = new Set<OperationName>([
  "cvm.start",
  "cvm.next",
  "cvm.answer",
  "cvm.complete",
  "cvm.fail",
  "cvm.unpause",
  "cvm.retry",
  "cvm.wake",
  "cvm.delete",
]);

/** Some members of `P`, all optional. */
type PartialParams<P> = { [K in keyof P & string]?: P[K] };

/** An open store. */
export class Engine {
  /** Called after every command that may have changed the next due time. */
  onDueChange: () => void = () => {};

  constructor(
    private readonly instance: Instance,
    private readonly raw: RawRunstate,
    /** The URL with which the store was opened. */
    readonly url: string,
    /** Compiles sources; undefined if this host has no compiler. */
    readonly compile: CompileFunction | undefined,
    /** The current time, in milliseconds since 1970. */
    readonly now: () => number,
  ) {}

  /** Calls an operation. Every failure is a `RunstateError`, or the reason of the signal. */
  async call<M extends OperationName>(method: M, params: Calls[M]["params"], signal?: AbortSignal): Promise<Calls[M]["result"]> {
    signal?.throwIfAborted();
    const json = encodeParams(method, params);
    const reply = this.instance.run(() => this.raw.call(method, json));
    const text = await untilAborted(reply, signal);
    if (DUE_CHANGING_METHODS.has(method)) this.onDueChange();
    return JSON.parse(text) as Calls[M]["result"];
  }

  /**
   * Like {@link Engine.call}, with the options of a caller: they are validated, and all but the signal are added to `params`. `publicName` names the
   * method that the caller called.
   */
  async callWithOptions<M extends OperationName, O extends WaitOptions & PartialParams<Calls[M]["params"]>>(
    method: M,
    params: Omit<Calls[M]["params"], keyof O>,
    options: O,
    shape: OptionValidators<O>,
    publicName: string = method,
  ): Promise<Calls[M]["result"]> {
    const { signal, ...rest } = validateOptions(publicName, options, shape);
    return this.call(method, { ...rest, ...params } as unknown as Calls[M]["params"], signal);
  }

  /** Starts a worker; see `worker.ts`. */
  worker(options: string, handler: RawHandler, onEvent?: (event: string) => void): RawWorkerHandle {
    return this.instance.runNow(() => this.raw.worker(options, handler, onEvent));
  }

  /** Settles as a worker's promise does, with errors decoded for callers. */
  mapErrors<T>(promise: Promise<T>): Promise<T> {
    return this.instance.run(() => promise);
  }

  /** Writes an export in chunks of whole lines. A chunk of null discards all chunks before it: the export restarts. */
  async export(params: { execution?: string }, sink: (chunk: string | null) => void, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const json = encodeParams("export", params);
    await untilAborted(
      this.instance.run(() => this.raw.export(json, sink)),
      signal,
    );
  }

  /** Imports the bytes of an export. */
  async import(bytes: Uint8Array, progress: ((event: string) => void) | undefined, signal?: AbortSignal): Promise<ImportResult> {
    signal?.throwIfAborted();
    const text = await untilAborted(
      this.instance.run(() => this.raw.import(bytes, progress)),
      signal,
    );
    this.onDueChange();
    return JSON.parse(text) as ImportResult;
  }

  /** Closes the store. */
  close(): Promise<void> {
    return this.instance.run(() => this.raw.close());
  }
}
