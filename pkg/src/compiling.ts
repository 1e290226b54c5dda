// The compiler's WebAssembly behind `compile`: the common part of the entries (compiler-node.ts, compiler-browser.ts) and of `compilerWasm` of
// `runstate/slim`. All of them share one instance.

import * as glue from "../build/runstate_compiler.js";
import { type AnyGlue, Instance, type WasmModule, type WasmSource } from "./instance.js";
import { text } from "./options.js";
import { COMPILER, compileWasm } from "./wasm.js";
import type { CompiledSource } from "./wire.js";

/** What the glue of the compiler exports. */
interface CompilerGlue extends AnyGlue {
  compile(name: string, source: string): string;
}

const instance = new Instance<CompilerGlue>(glue, COMPILER);

/** The compiler, loaded or not. */
export class Compiler {
  /** `bring` loads the WebAssembly, unless `init` did. */
  constructor(private readonly bring: () => Promise<WasmModule>) {}

  readonly load = async (): Promise<void> => {
    await instance.begin(this.bring);
  };

  readonly init = async (source: WasmSource): Promise<void> => {
    await instance.begin(() => compileWasm(COMPILER, source));
  };

  readonly compile = async (name: string, source: string): Promise<CompiledSource> => {
    const given = [text(name, "the name of a program"), text(source, "the source of a program")] as const;
    const { compile } = await instance.begin(this.bring);
    return JSON.parse(instance.runNow(() => compile(...given))) as CompiledSource;
  };
}
