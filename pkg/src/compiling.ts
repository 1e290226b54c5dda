// The compiler's WebAssembly behind `compile`: what the entries (compiler-node.ts, compiler-browser.ts) have in common.

import { RunstateError, toldError } from "./errors.js";
import { text } from "./options.js";
import type { CompiledSource } from "./wire.js";

/** What the glue of the compiler exports. */
export interface CompilerGlue {
  compile(name: string, source: string): string;
  onPanic(told: (message: string) => void): void;
}

/** The compiler, loaded or not. */
export class Compiler {
  #begun: Promise<void> | undefined;
  #defect: RunstateError | undefined;

  constructor(
    private readonly glue: CompilerGlue,
    private readonly init: () => unknown,
  ) {}

  /** Loads it, once; what failed (a page without network) may be tried again. */
  readonly load = (): Promise<void> => {
    this.#begun ??= this.#begin().catch((error: unknown) => {
      this.#begun = undefined;
      throw error;
    });
    return this.#begun;
  };

  async #begin(): Promise<void> {
    await this.init();
    this.glue.onPanic((message) => {
      this.#defect = new RunstateError({ code: "internal", message: `a defect of the compiler ended it: ${message}; load it anew` });
    });
  }

  readonly compile = async (name: string, source: string): Promise<CompiledSource> => {
    const given = [text(name, "the name of a program"), text(source, "the source of a program")] as const;
    await this.load();
    if (this.#defect !== undefined) throw this.#defect;
    try {
      return JSON.parse(this.glue.compile(...given)) as CompiledSource;
    } catch (thrown) {
      throw this.#defect ?? toldError(thrown);
    }
  };
}
