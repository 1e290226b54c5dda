// An open store below the face: its calls by name, with plain values in and out. The face (runstate.ts, cvm.ts, run.ts) is made of them.

import { untilAborted } from "./abort.js";
import { type Shape, options as checked } from "./given.js";
import { crossing } from "./halves.js";
import type { Instance, RawHandler, RawRunstate, RawServing } from "./instance.js";
import type { WaitOptions } from "./options.js";
import type { Calls, CompiledSource, ImportResult, Method } from "./wire.js";

/** Compiles a program's source. */
export type Compile = (name: string, source: string) => Promise<CompiledSource>;

/** Calls after which something may be due sooner than was known. */
const MOVES: ReadonlySet<Method> = new Set<Method>([
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

/** Any members of `P`. */
type Members<P> = { [K in keyof P & string]?: P[K] };

/** An open store. */
export class Engine {
  /** Called after every command that may have changed what is due when. */
  moved: () => void = () => {};

  constructor(
    private readonly instance: Instance,
    private readonly raw: RawRunstate,
    /** The URL it was opened by. */
    readonly url: string,
    /** Compiles sources, where this host can. */
    readonly compile: Compile | undefined,
    /** The time, in milliseconds since 1970. */
    readonly now: () => number,
  ) {}

  /** Makes a call; every failure is a `RunstateError`, or the reason of the signal. */
  async call<M extends Method>(method: M, params: Calls[M]["params"], signal?: AbortSignal): Promise<Calls[M]["result"]> {
    signal?.throwIfAborted();
    const given = crossing(method, params);
    const answer = this.instance.run(() => this.raw.call(method, given));
    const text = await untilAborted(answer, signal);
    if (MOVES.has(method)) this.moved();
    return JSON.parse(text) as Calls[M]["result"];
  }

  /**
   * As {@link Engine.call}, with options as a caller gave them: they are looked over, and all but the signal go along with `params`. `of` is what
   * the caller called.
   */
  async ask<M extends Method, O extends WaitOptions & Members<Calls[M]["params"]>>(
    method: M,
    params: Omit<Calls[M]["params"], keyof O>,
    options: O,
    shape: Shape<O>,
    of: string = method,
  ): Promise<Calls[M]["result"]> {
    const { signal, ...rest } = checked(of, options, shape);
    return this.call(method, { ...rest, ...params } as unknown as Calls[M]["params"], signal);
  }

  /** Serves calls; see `work.ts`. */
  worker(options: string, handler: RawHandler, told?: (event: string) => void): RawServing {
    return this.instance.runNow(() => this.raw.worker(options, handler, told));
  }

  /** What a worker's promises come to, as errors that callers see. */
  heard<T>(promise: Promise<T>): Promise<T> {
    return this.instance.run(() => promise);
  }

  /** Writes an export in chunks of whole lines; null: what came before is void, it begins anew. */
  async export(params: { execution?: string }, sink: (chunk: string | null) => void, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const given = crossing("export", params);
    await untilAborted(
      this.instance.run(() => this.raw.export(given, sink)),
      signal,
    );
  }

  /** Takes the bytes of an export in. */
  async import(bytes: Uint8Array, progress: ((event: string) => void) | undefined, signal?: AbortSignal): Promise<ImportResult> {
    signal?.throwIfAborted();
    const text = await untilAborted(
      this.instance.run(() => this.raw.import(bytes, progress)),
      signal,
    );
    this.moved();
    return JSON.parse(text) as ImportResult;
  }

  /** Ends the use of the store. */
  close(): Promise<void> {
    return this.instance.run(() => this.raw.close());
  }
}
