// The common part of `runstate/slim` on pages (slim.ts) and in Node (slim-node.ts). The caller supplies the
// WebAssembly, the compiler and the files, for hosts and bundlers with their own way to load them.

import type { CompileFunction } from "./engine.js";
import { usageError } from "./errors.js";
import { type OptionValidators, callback, anything, objectByKind, validateOptions } from "./validation.js";
import type { Instance, WasmBytes, WasmModule, WasmSource } from "./instance.js";
import type { NodeFiles } from "./node/files.js";
import { type OpenOptions, openStore } from "./open.js";
import type { Runstate } from "./runstate.js";
import { COMPILER_WASM, compileWasm, importCompiler } from "./wasm.js";

export interface InitOptions {
  /** Compiles sources for `cvm.load`, as `compile` of `runstate/compiler` does. */
  compile?: CompileFunction;
  /** The source of the compiler's WebAssembly (`runstate/compiler.wasm`). `cvm.load` uses it if `compile` is not
   * given. */
  compilerWasm?: WasmSource;
  /** The file system for `file:` stores, such as `files` of `runstate/node`. Only with the WebAssembly for Node. */
  files?: NodeFiles;
}

const INIT: OptionValidators<InitOptions> = {
  compile: callback,
  compilerWasm: anything,
  files: { ...objectByKind, expected: "an object such as `files` of `runstate/node`" },
};

/** A runtime that the caller initializes. */
export class SlimRuntime {
  #compile: CompileFunction | undefined;

  /** `compileFrom` compiles a module from a source that the host can read. */
  constructor(
    private readonly runtime: Instance,
    private readonly compileFrom = compileWasm,
  ) {}

  /** The compiler that `init` was given; undefined if there was none. */
  get compile(): CompileFunction | undefined {
    return this.#compile;
  }

  readonly init = async (source: WasmSource, options: InitOptions = {}): Promise<void> => {
    const { compile, compilerWasm, files } = validateOptions("init", options, INIT);
    // A failed fetch rejects the first compilation; it is not an unhandled rejection before that.
    if (compilerWasm instanceof Promise) compilerWasm.catch(() => {});
    const glue = await this.runtime.instantiate(() => this.compileFrom(this.runtime.file, source));
    this.#compile = compile ?? (compilerWasm === undefined ? this.#compile : this.#makeCompile(compilerWasm));
    if (files !== undefined) glue.provideFiles?.(files);
  };

  readonly initWith = (module: WasmBytes | WasmModule, options?: InitOptions): Promise<void> => this.init(module, options);

  readonly open = (url: string, options?: OpenOptions): Promise<Runstate> => {
    const started = this.runtime.instantiation;
    if (started === undefined) {
      return Promise.reject(usageError("the store cannot be opened: `runstate/slim` is not initialized. Call `await init(…)` with its WebAssembly first"));
    }
    return openStore({ instance: this.runtime, instantiate: () => started, compile: this.#compile }, url, options);
  };

  /** Returns a compile function over this WebAssembly, which is loaded at the first use. */
  #makeCompile(wasm: WasmSource): CompileFunction {
    return async (...args) => {
      const { Compiler } = await importCompiler("compiler-instance.js", () => import("./compiler-instance.js"));
      return new Compiler(() => this.compileFrom(COMPILER_WASM, wasm)).compile(...args);
    };
  }
}
