// Reads the execution ids of an export, which the page shows after the import.

/** The ids of the executions in an export. Each line names the collection of its document. */
export function executionsIn(text: string): string[] {
  const ids: string[] = [];
  for (const line of text.split("\n")) {
    if (!line.includes('"cvm.executions"')) continue;
    try {
      const row = JSON.parse(line) as { collection?: unknown; id?: unknown };
      if (row.collection === "cvm.executions" && typeof row.id === "string") ids.push(row.id);
    } catch {
      // The import itself reports invalid lines.
    }
  }
  return ids;
}
