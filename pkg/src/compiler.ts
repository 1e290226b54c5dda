// What `runstate/compiler` exports: source (a subset of TypeScript) to bytecode, in a WebAssembly of its own.

import type { WasmSource } from "./instance.js";
import type { CompiledSource } from "./wire.js";

export { RunstateError } from "./errors.js";
export type { Fetched, WasmBytes, WasmModule, WasmSource } from "./instance.js";
export type { CompiledSource, Diagnostic, Instruction } from "./wire.js";

/**
 * Compiles a program. `compile_error`: it does not compile; the error's `details.diagnostics` are a list of {@link Diagnostic}.
 *
 * `name` is that of the program, for the messages.
 */
export declare function compile(name: string, source: string): Promise<CompiledSource>;

/**
 * Begins the compiler with its WebAssembly (`runstate/compiler.wasm`): its address, a response, its bytes or its module. For hosts that cannot load it
 * from beside the script: a strict content security policy, web extensions, single-file bundles. The first call counts, for `cvm.load` too.
 */
export declare function init(source: WasmSource): Promise<void>;

/** Loads the compiler ahead of its first use. */
export declare function load(): Promise<void>;
