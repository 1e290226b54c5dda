// The compiler's WebAssembly behind `compile`. The entries (compiler-node.ts, compiler-browser.ts) and the
// `compilerWasm` option of `runstate/slim` share one instance.

import * as glue from "../build/runstate_compiler.js";
import type { SourceOptions } from "./engine.js";
import { RunstateError } from "./errors.js";
import { type BaseGlue, Instance, type WasmModule, type WasmSource } from "./instance.js";
import { encodeParams } from "./json-encoding.js";
import { requireText } from "./options.js";
import { COMPILER_WASM, compileWasm, importPart } from "./wasm.js";
import type { CompiledSource, Diagnostic } from "./wire.js";

/** The exports of the compiler's wasm-bindgen glue. */
interface CompilerGlue extends BaseGlue {
  compile(name: string, source: string, options: string, builtIns?: string): CompiledSource;
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
    try {
      return instance.runNow(() => compile(...args));
    } catch (error) {
      if (!lacksBuiltIns(error)) throw error;
      const builtIns = await loadBuiltIns();
      return instance.runNow(() => compile(...args, builtIns));
    }
  };
}

/** Whether a program does not compile because it uses built-ins that are not in the WebAssembly: a diagnostic has the
 * name of their file. */
function lacksBuiltIns(error: unknown): boolean {
  return diagnosticsOf(error).some(({ file }) => file.startsWith("runstate:"));
}

/** Why a program does not compile; empty for other errors. */
export function diagnosticsOf(error: unknown): Diagnostic[] {
  if (!(error instanceof RunstateError) || error.code !== "compile_error") return [];
  const { diagnostics } = error.details as unknown as { diagnostics: Diagnostic[] };
  return diagnostics;
}

/** Loads the built-ins that are written in the language, as the JSON text of their files. Few programs use them. */
async function loadBuiltIns(): Promise<string> {
  const part = "the source of built-ins that the program uses (built-ins.js, or the chunk of a bundle that has it)";
  const { builtIns } = await importPart(part, () => import("../build/built-ins.js"));
  return JSON.stringify(builtIns);
}
