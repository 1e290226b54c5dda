// The one instance of the WebAssembly that an entry loads: what it exports, how it is begun, and what becomes of it after a defect.
// A panic ends the WebAssembly in the middle of what it did: from then on nothing it says can be trusted, so everything is refused.

import { defectIsTold } from "./defect.js";
import { RunstateError, toldError } from "./errors.js";
import type { NodeFiles } from "./node/files.js";
import { type WasmFile, explainRefusal } from "./wasm.js";

/** An open store, as the WebAssembly exports it; params and results are JSON text. */
export interface RawRunstate {
  call(method: string, params: string): Promise<string>;
  worker(options: string, handler: RawHandler, told?: (event: string) => void): RawServing;
  export(params: string, sink: (chunk: string | null) => void): Promise<string>;
  import(bytes: Uint8Array, progress?: (event: string) => void): Promise<string>;
  close(): Promise<void>;
}

/** Answers a call of a kind: the answer as JSON text, or a rejection as JSON text. */
export type RawHandler = (kind: string, task: string, signal: AbortSignal) => Promise<string>;

/** A worker that serves. */
export interface RawServing {
  stop(): Promise<void>;
  readonly done: Promise<void>;
}

/** What the glue of each WebAssembly exports. */
export interface AnyGlue {
  default(source: { module_or_path: WasmModule }): Promise<unknown>;
  initSync(source: { module: WasmModule }): unknown;
  version(): string;
  onPanic(told: (message: string) => void): void;
}

/** What the glue of a runtime exports. */
export interface Glue extends AnyGlue {
  provideFiles?(files: NodeFiles | undefined): void;
  verifyFiles(url: string): Promise<string>;
  logTo?(sink: (level: string, message: string) => void, level: string): void;
  Runstate: { open(url: string, options: string): Promise<RawRunstate> };
}

// What follows says in words of JavaScript alone what `lib.dom` has names for: projects for Node do not have them.

/** The bytes of a WebAssembly. */
export type WasmBytes = ArrayBuffer | ArrayBufferView;

/** A `WebAssembly.Module`, of which types can say nothing. */
export type WasmModule = object;

/** What `fetch` resolves to. */
export interface Fetched {
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** Where the WebAssembly comes from: its address, a response, its bytes or its module. */
export type WasmSource = string | URL | WasmBytes | Fetched | WasmModule | Promise<WasmBytes | Fetched | WasmModule>;

/** A WebAssembly, begun or not. */
export class Instance<G extends AnyGlue = Glue> {
  #begun: Promise<G> | undefined;
  #defect: string | undefined;
  /** Those who wait, told when the WebAssembly dies: what they wait for would never come. */
  readonly #waiting = new Set<(refusal: RunstateError) => void>();

  constructor(
    private readonly glue: G,
    /** Which one it is. */
    readonly file: WasmFile,
  ) {}

  /** Begins it with the module that `load` brings, once; a beginning that failed (a page without network) may be tried again. */
  begin(load: () => Promise<WasmModule>): Promise<G> {
    this.#begun ??= this.#begin(load).catch((error: unknown) => {
      this.#begun = undefined;
      throw error;
    });
    return this.#begun;
  }

  /** The WebAssembly that was begun; undefined: nobody did. */
  get begun(): Promise<G> | undefined {
    return this.#begun;
  }

  async #begin(load: () => Promise<WasmModule>): Promise<G> {
    const module = await load();
    try {
      // The asynchronous way looks at `Request` and `Response`, for which Node loads its `fetch`: 20 ms of its thread. The synchronous one takes 2 ms;
      // windows forbid it to large modules.
      if (typeof document === "undefined" && module instanceof WebAssembly.Module) this.glue.initSync({ module });
      else await this.glue.default({ module_or_path: module });
    } catch (error) {
      throw explainRefusal(this.file, "the module", error);
    }
    this.glue.onPanic((message) => this.#die(message));
    return this.glue;
  }

  #die(message: string): void {
    this.#defect ??= message;
    defectIsTold();
    for (const tell of this.#waiting) tell(this.#refusal());
    this.#waiting.clear();
  }

  /** What everybody is told after a defect. */
  #refusal(): RunstateError {
    const message = `a defect of runstate ended it: ${this.#defect}; load it anew, what was acknowledged is kept`;
    return new RunstateError({ code: "internal", message });
  }

  /** What `call` comes to, with errors as callers see them; `internal` as soon as the WebAssembly dies. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#defect !== undefined) throw this.#refusal();
    let tell!: (refusal: RunstateError) => void;
    const death = new Promise<never>((_, reject) => (tell = reject));
    this.#waiting.add(tell);
    try {
      return await Promise.race([call(), death]);
    } catch (thrown) {
      throw this.#defect === undefined ? toldError(thrown) : this.#refusal();
    } finally {
      this.#waiting.delete(tell);
    }
  }

  /** As {@link Instance.run}, for what answers at once. */
  runNow<T>(call: () => T): T {
    if (this.#defect !== undefined) throw this.#refusal();
    try {
      return call();
    } catch (thrown) {
      throw this.#defect === undefined ? toldError(thrown) : this.#refusal();
    }
  }
}
