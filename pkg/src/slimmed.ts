// What the entries `runstate/slim` on pages (slim.ts) and in Node (slim-node.ts) have in common: you bring the WebAssembly, the compiler and
// the files yourself, for hosts and bundlers that do it in their own way.

import type { Compile } from "./engine.js";
import { usage } from "./errors.js";
import { type Shape, action, anything, keyed, options as checked } from "./given.js";
import type { Instance, WasmBytes, WasmModule, WasmSource } from "./instance.js";
import type { NodeFiles } from "./node/files.js";
import { type OpenOptions, openOn } from "./open.js";
import type { Runstate } from "./runstate.js";
import { COMPILER, compileWasm } from "./wasm.js";

/** What a host brings beside the WebAssembly. */
export interface Provided {
  /** Compiles sources for `cvm.load`, as `compile` of `runstate/compiler` does. */
  compile?: Compile;
  /** The compiler's WebAssembly (`runstate/compiler.wasm`), as `init` takes that of the runtime: for `cvm.load`, where `compile` is not given. */
  compilerWasm?: WasmSource;
  /** Keeps `file:` stores, as `files` of `runstate/node` does; only with the WebAssembly for Node. */
  files?: NodeFiles;
}

const PROVIDED: Shape<Provided> = {
  compile: action,
  compilerWasm: anything,
  files: { ...keyed, what: "an object as `files` of `runstate/node`" },
};

/** A runtime that its host begins. */
export class Slim {
  #compile: Compile | undefined;

  constructor(private readonly runtime: Instance) {}

  readonly init = async (source: WasmSource, provide: Provided = {}): Promise<void> => {
    const { compile, compilerWasm, files } = checked("init", provide, PROVIDED);
    // A failed fetch rejects the first compilation; it is not an unhandled rejection before that.
    if (compilerWasm instanceof Promise) compilerWasm.catch(() => {});
    const glue = await this.runtime.begin(() => compileWasm(this.runtime.file, source));
    this.#compile = compile ?? (compilerWasm === undefined ? this.#compile : makeCompile(compilerWasm));
    if (files !== undefined) glue.provideFiles?.(files);
  };

  readonly initWith = (module: WasmBytes | WasmModule, provide?: Provided): Promise<void> => this.init(module, provide);

  readonly open = (url: string, options?: OpenOptions): Promise<Runstate> => {
    const begun = this.runtime.begun;
    if (begun === undefined) return Promise.reject(usage("`runstate/slim` was not begun; `await init(…)` with its WebAssembly first"));
    return openOn({ instance: this.runtime, begin: () => begun, compile: this.#compile }, url, options);
  };
}

/** A compiler over this WebAssembly, which is loaded when a source is first compiled. */
function makeCompile(wasm: WasmSource): Compile {
  return async (name, source) => {
    const { Compiler } = await import("./compiling.js");
    const compiler = new Compiler(() => compileWasm(COMPILER, wasm));
    return compiler.compile(name, source);
  };
}
