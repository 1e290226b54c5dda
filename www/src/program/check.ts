// What the compiler says while errors are being mended. It is asked only after a program was refused: until then it need not be loaded.

import { compile } from "../engine/compiler";
import { diagnosticsOf, type Diagnostic } from "./diagnostics";

/** How long nothing must be typed before it is asked, in milliseconds. */
const PAUSE_MS = 300;

/** Asks the compiler once the typing rests, and tells the newest answer alone. */
export class Checks {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #newest = 0;

  constructor(private readonly told: (diagnostics: Diagnostic[]) => void) {}

  soon(name: string, source: string): void {
    this.stop();
    const asked = this.#newest;
    this.#timer = setTimeout(() => {
      void diagnose(name, source).then((found) => {
        if (found !== null && asked === this.#newest) this.told(found);
      });
    }, PAUSE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#newest += 1;
  }
}

/** What is wrong with a source; null: the compiler could not be asked. */
async function diagnose(name: string, source: string): Promise<Diagnostic[] | null> {
  try {
    await compile(name, source);
    return [];
  } catch (error) {
    return diagnosticsOf(error);
  }
}
