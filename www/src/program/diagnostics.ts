// The diagnostics of a source.

import { compile } from "../engine/compiler";
import { hasCode } from "../engine/errors";

/** One error in a source. Lines and columns count from 1. */
export interface SourceDiagnostic {
  message: string;
  line: number;
  column: number;
  /** A suggested fix. */
  hint?: string | null;
}

/** The diagnostics of a compile error; null for any other error. */
export function diagnosticsOf(error: unknown): SourceDiagnostic[] | null {
  if (!hasCode(error, "compile_error")) return null;
  const { diagnostics = [] } = (error.details ?? {}) as { diagnostics?: SourceDiagnostic[] };
  return diagnostics.length > 0 ? diagnostics : [{ message: error.message, line: 1, column: 1 }];
}

/** Compiles a source for its diagnostics; null if the compiler cannot be used. */
export async function diagnose(name: string, source: string): Promise<SourceDiagnostic[] | null> {
  try {
    await compile(name, source);
    return [];
  } catch (error) {
    return diagnosticsOf(error);
  }
}
