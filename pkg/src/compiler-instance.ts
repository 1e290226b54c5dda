// The compiler's WebAssembly behind `compile`. The entries (compiler-node.ts, compiler-browser.ts) and the
// `compilerWasm` option of `runstate/slim` share one instance.

import * as glue from "../build/runstate_compiler.js";
import type { SourceOptions } from "./engine.js";
import { type BaseGlue, Instance, type WasmModule, type WasmSource } from "./instance.js";
import { encodeParams } from "./json-encoding.js";
import { requireText } from "./options.js";
import { COMPILER_WASM, compileWasm } from "./wasm.js";
import type { CompiledSource } from "./wire.js";

/** The exports of the compiler's wasm-bindgen glue. */
interface CompilerGlue extends BaseGlue {
  compile(name: string, source: string, options: string): CompiledSource;
}

const instance = new Instance<CompilerGlue>(glue, COMPILER_WASM);

/** The compiler. Its WebAssembly is loaded at the first use. */
export class Compiler {
  /** `loadModule` loads the WebAssembly, unless `init` already has. `compileFrom` compiles it from a source that the
   * host can read. */
  constructor(
    private readonly loadModule: () => Promise<WasmModule>,
    private readonly compileFrom = compileWasm,
  ) {}

  readonly load = async (): Promise<void> => {
    await instance.instantiate(this.loadModule);
  };

  readonly init = async (source: WasmSource): Promise<void> => {
    await instance.instantiate(() => this.compileFrom(COMPILER_WASM, source));
  };

  readonly compile = async (name: string, source: string, options: SourceOptions = {}): Promise<CompiledSource> => {
    const args = [requireText(name, "the name of a program"), requireText(source, "the source of a program"), encodeParams("compile", options)] as const;
    const { compile } = await instance.instantiate(this.loadModule);
    return instance.runNow(() => compile(...args));
  };
}
