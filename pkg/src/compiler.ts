// What `runstate/compiler` exports: source (a subset of TypeScript) to bytecode, in a WebAssembly of its own.

import type { Compiled } from "./wire.js";

export { RunstateError } from "./errors.js";
export type { Compiled } from "./wire.js";

/** Where a source does not compile, and why. */
export interface Diagnostic {
  /** The name it was compiled under. */
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 code units. */
  column: number;
  /** What is wrong: how it is written, what is not supported, a name that is not known. */
  kind: "syntax" | "unsupported" | "name";
  message: string;
  /** What to do instead. */
  hint?: string;
  /** That line of the source. */
  sourceLine: string;
}

/**
 * Compiles a program. `compile_error`: it does not compile; the error's `details.diagnostics` are a list of {@link Diagnostic}.
 *
 * `name` is that of the program, for the messages.
 */
export declare function compile(name: string, source: string): Promise<Compiled>;

/** Loads the compiler ahead of its first use. */
export declare function load(): Promise<void>;
