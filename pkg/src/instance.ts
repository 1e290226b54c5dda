// The instance of a WebAssembly module that an entry loads: its exports, its instantiation, and its behavior after a
// panic. A panic stops the WebAssembly in the middle of an operation. Its state is unreliable from then on, so every
// later call is rejected.

import { ignoreFurtherTraps } from "./microtasks.js";
import { RunstateError, toError } from "./errors.js";
import type { NodeFiles } from "./node/files.js";
import { type WasmFile, explainRefusal } from "./wasm.js";
import type { CollectReport, ImportResult, Progress, VerifyReport } from "./wire.js";

/** An open store as the WebAssembly exports it. Parameters are JSON text. */
export interface RawRunstate {
  call(name: string, params: string): Promise<unknown>;
  check(name: string, schema: string, value?: string): void;
  worker(items: string, options: string, handler: RawHandler, onEvent?: (event: unknown) => void): RawWorkerHandle;
  export(params: string, sink: (chunk: string | null) => void): Promise<unknown>;
  close(): Promise<void>;
  // Modules of pages do not have these.
  import?(bytes: Uint8Array, params: string, progress?: (event: Progress) => void): Promise<ImportResult>;
  putArtifact?(params: string): Promise<RawArtifactUpload>;
  readArtifact?(params: string): Promise<RawArtifactReader>;
  collectArtifacts?(): Promise<CollectReport>;
}

/** An artifact that is being stored, as the WebAssembly exports it. */
export interface RawArtifactUpload {
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<string>;
  abort(): Promise<void>;
  free(): void;
}

/** A reader of an artifact as the WebAssembly exports it. */
export interface RawArtifactReader {
  next(): Promise<Uint8Array | undefined>;
  free(): void;
}

/** Handles a claimed item of a kind. It resolves to the answer as JSON text, or rejects with a failure as JSON text. */
export type RawHandler = (kind: string, work: unknown, signal: AbortSignal) => Promise<string>;

/** A running worker as the WebAssembly exports it. */
export interface RawWorkerHandle {
  stop(): Promise<void>;
  readonly done: Promise<void>;
}

/** The exports of the wasm-bindgen glue of every module. */
export interface BaseGlue {
  default(source: { module_or_path: WasmModule }): Promise<unknown>;
  initSync(source: { module: WasmModule }): unknown;
  version(): string;
  onPanic(onPanic: (message: string) => void): void;
}

/** The exports of the wasm-bindgen glue of a runtime. */
export interface Glue extends BaseGlue {
  provideFiles?(files: NodeFiles | undefined): void;
  verifyFiles(url: string): Promise<VerifyReport>;
  logTo?(sink: (level: string, message: string) => void, level: string): void;
  Runstate: { open(url: string, options: string): Promise<RawRunstate> };
}

// The public types below do not use the names of `lib.dom`, because projects for Node may not have them.

export type WasmBytes = ArrayBuffer | ArrayBufferView;

/** A `WebAssembly.Module`, whose type needs `lib.dom`. */
export type WasmModule = object;

/** A response of `fetch`. */
export interface WasmResponse {
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The source of a WebAssembly module: a URL, a response, bytes or a compiled module. */
export type WasmSource = string | URL | WasmBytes | WasmResponse | WasmModule | Promise<WasmBytes | WasmResponse | WasmModule>;

/** A WebAssembly module and its single instance. */
export class Instance<G extends BaseGlue = Glue> {
  #instantiation: Promise<G> | undefined;
  #defect: string | undefined;
  /** The reject functions of pending calls. After a panic their promises would never settle. */
  readonly #pendingCalls = new Set<(error: RunstateError) => void>();

  constructor(
    private readonly glue: G,
    readonly file: WasmFile,
  ) {}

  /** Instantiates the module that `load` returns, once. After a failure (a page without a network, for example) the
   * next call tries it again. */
  instantiate(load: () => Promise<WasmModule>): Promise<G> {
    this.#instantiation ??= this.#instantiateGlue(load).catch((error: unknown) => {
      this.#instantiation = undefined;
      throw error;
    });
    return this.#instantiation;
  }

  /** The instantiation that was started; undefined if there was none. */
  get instantiation(): Promise<G> | undefined {
    return this.#instantiation;
  }

  async #instantiateGlue(load: () => Promise<WasmModule>): Promise<G> {
    const module = await load();
    try {
      // The asynchronous function of the glue reads `Request` and `Response`, which makes Node load its `fetch`: 20 ms
      // of the main thread. The synchronous function takes 2 ms, but browser windows forbid it for large modules.
      if (typeof document === "undefined" && module instanceof WebAssembly.Module) this.glue.initSync({ module });
      else await this.glue.default({ module_or_path: module });
    } catch (error) {
      throw explainRefusal(this.file, "the module", error);
    }
    this.glue.onPanic((message) => this.#fail(message));
    return this.glue;
  }

  #fail(message: string): void {
    this.#defect ??= message;
    ignoreFurtherTraps();
    for (const reject of this.#pendingCalls) reject(this.#defectError());
    this.#pendingCalls.clear();
  }

  /** The error of every call after a panic. */
  #defectError(): RunstateError {
    const message = `runstate stopped after an internal error: ${this.#defect}. Reload the page or restart the process; acknowledged commands are stored`;
    return new RunstateError({ code: "internal", message });
  }

  /** Settles as `call` does, with the errors that callers see. Rejects as `internal` as soon as the WebAssembly
   * panics. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#defect !== undefined) throw this.#defectError();
    let rejectCall!: (error: RunstateError) => void;
    const defect = new Promise<never>((_, reject) => (rejectCall = reject));
    this.#pendingCalls.add(rejectCall);
    try {
      return await Promise.race([call(), defect]);
    } catch (thrown) {
      throw this.#defect === undefined ? toError(thrown) : this.#defectError();
    } finally {
      this.#pendingCalls.delete(rejectCall);
    }
  }

  /** Like {@link Instance.run}, for synchronous calls. */
  runNow<T>(call: () => T): T {
    if (this.#defect !== undefined) throw this.#defectError();
    try {
      return call();
    } catch (thrown) {
      throw this.#defect === undefined ? toError(thrown) : this.#defectError();
    }
  }
}
