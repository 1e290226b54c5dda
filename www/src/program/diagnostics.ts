// What the compiler says, read from its error.

import { RunstateError } from "runstate/slim";

/** One thing that is wrong with a source. Lines and columns count from 1. */
export interface Diagnostic {
  message: string;
  line: number;
  column: number;
  /** What to write instead. */
  hint?: string | null;
}

/** The diagnostics of a compile error; null: it is another error. */
export function diagnosticsOf(error: unknown): Diagnostic[] | null {
  if (!(error instanceof RunstateError) || error.code !== "compile_error") return null;
  const details = error.details;
  const list =
    typeof details === "object" && details !== null && !Array.isArray(details) ? details["diagnostics"] : null;
  const found = Array.isArray(list) ? (list as unknown[]).filter(isDiagnostic) : [];
  return found.length > 0 ? found : [{ message: error.message, line: 1, column: 1 }];
}

function isDiagnostic(value: unknown): value is Diagnostic {
  if (typeof value !== "object" || value === null) return false;
  const { message, line, column } = value as Partial<Diagnostic>;
  return typeof message === "string" && typeof line === "number" && typeof column === "number";
}
