// Reads the diagnostics of a compile error.

import { RunstateError } from "runstate/slim";

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
  if (!(error instanceof RunstateError) || error.code !== "compile_error") return null;
  const details = error.details;
  const list =
    typeof details === "object" && details !== null && !Array.isArray(details) ? details["diagnostics"] : null;
  const found = Array.isArray(list) ? (list as unknown[]).filter(isDiagnostic) : [];
  return found.length > 0 ? found : [{ message: error.message, line: 1, column: 1 }];
}

function isDiagnostic(value: unknown): value is SourceDiagnostic {
  if (typeof value !== "object" || value === null) return false;
  const { message, line, column } = value as Partial<SourceDiagnostic>;
  return typeof message === "string" && typeof line === "number" && typeof column === "number";
}
