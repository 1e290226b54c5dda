// What an export says of itself, as far as the page needs to know before it is imported.

/** The ids of the executions that an export holds: its lines name the collection they are of. */
export function executionsIn(text: string): string[] {
  const ids: string[] = [];
  for (const line of text.split("\n")) {
    if (!line.includes('"cvm.executions"')) continue;
    try {
      const row = JSON.parse(line) as { collection?: unknown; id?: unknown };
      if (row.collection === "cvm.executions" && typeof row.id === "string") ids.push(row.id);
    } catch {
      // The import itself says what is wrong with a line.
    }
  }
  return ids;
}
