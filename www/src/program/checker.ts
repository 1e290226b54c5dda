// Compiles the source while the visitor fixes errors. It runs only after a compilation has failed, because the compiler is not loaded before.

import { compile } from "../engine/compiler";
import { diagnosticsOf, type SourceDiagnostic } from "./diagnostics";

/** The pause in typing before the source is compiled, in milliseconds. */
const DEBOUNCE_MS = 300;

/** Compiles the source after a pause in typing and reports only the newest diagnostics. */
export class DiagnosticsChecker {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #generation = 0;

  constructor(private readonly onDiagnostics: (diagnostics: SourceDiagnostic[]) => void) {}

  schedule(name: string, source: string): void {
    this.cancel();
    const generation = this.#generation;
    this.#timer = setTimeout(() => {
      void diagnose(name, source).then((found) => {
        if (found !== null && generation === this.#generation) this.onDiagnostics(found);
      });
    }, DEBOUNCE_MS);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#generation += 1;
  }
}

/** The diagnostics of a source; null if the compiler cannot be used. */
async function diagnose(name: string, source: string): Promise<SourceDiagnostic[] | null> {
  try {
    await compile(name, source);
    return [];
  } catch (error) {
    return diagnosticsOf(error);
  }
}
