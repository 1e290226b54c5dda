// The exports of `runstate/compiler`, which compiles source (a subset of TypeScript) to bytecode in a WebAssembly
// module of its own.

import type { SourceOptions } from "./engine.js";
import type { WasmSource } from "./instance.js";
import type { CompiledSource } from "./wire.js";

export type { SourceOptions } from "./engine.js";
export { RunstateError } from "./errors.js";
export type { WasmResponse, WasmBytes, WasmModule, WasmSource } from "./instance.js";
export type { CompiledSource, Diagnostic, Instruction } from "./wire.js";

/**
 * Compiles a program.
 *
 * Errors: `compile_error`, with a list of {@link Diagnostic} in the error's `details.diagnostics`.
 *
 * @param name - The name of the program, used in messages.
 * @param source - The source of the program, or of its entry.
 * @param options - The files that the source may import, its form, and the tools that it may call.
 */
export declare function compile(name: string, source: string, options?: SourceOptions): Promise<CompiledSource>;

/**
 * Instantiates the compiler from its WebAssembly (`runstate/compiler.wasm`), given as a URL, a response, bytes or a
 * module. Use it on hosts that cannot load the file from beside the script: strict Content-Security-Policies, web
 * extensions, single-file bundles. Only the first call has an effect; it also sets the compiler of `cvm.load`.
 */
export declare function init(source: WasmSource): Promise<void>;

/** Loads the compiler before its first use. */
export declare function load(): Promise<void>;
