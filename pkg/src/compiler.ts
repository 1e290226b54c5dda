// What `runstate/compiler` exports: source (a subset of TypeScript) to bytecode, in a WebAssembly of its own.

import type { CompiledSource } from "./wire.js";

export { RunstateError } from "./errors.js";
export type { CompiledSource, Diagnostic, Instruction } from "./wire.js";

/**
 * Compiles a program. `compile_error`: it does not compile; the error's `details.diagnostics` are a list of {@link Diagnostic}.
 *
 * `name` is that of the program, for the messages.
 */
export declare function compile(name: string, source: string): Promise<CompiledSource>;

/** Loads the compiler ahead of its first use. */
export declare function load(): Promise<void>;
