// Reads the execution ids of an export, which the page shows after the import.

import { parseJson } from "../state/web-storage";

/** The ids of the executions in an export. Each line names the collection of its document. */
export function executionsIn(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.includes('"cvm.executions"'));
  const rows = lines.map((line) => parseJson(line) as { collection?: unknown; id?: unknown } | null);
  return rows.flatMap((row) => (row?.collection === "cvm.executions" && typeof row.id === "string" ? [row.id] : []));
}
