// Executions as files: saved to the disk, and taken from there.

import { explain } from "../engine/errors";
import { engine } from "../engine/session";
import { tell, warn } from "../state/notices";
import { show } from "../state/route";
import { executionsIn } from "./exported";

/** Saves an execution with its program as a file that any store of runstate imports. */
export async function saveExport(execution: string): Promise<void> {
  const rs = engine();
  if (rs === null) return;
  const file = await rs.export({ execution });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${execution}.runstate.jsonl`;
  link.click();
  // The browser has taken it by then; an address that is never given back holds the file in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  tell("Exported", `${link.download}: drop it on this page in any browser, or \`runstate import\` it.`);
}

/** Imports files, one after the other, and shows the execution that one of them brought. */
export async function importFiles(files: Iterable<File>): Promise<void> {
  const rs = engine();
  if (rs === null) return;
  for (const file of files) {
    const brought = executionsIn(await file.text());
    try {
      await rs.import(file);
    } catch (error) {
      warn(`${file.name} was not imported`, `${explain(error).what}. Nothing was changed.`);
      continue;
    }
    const first = brought[0];
    tell(
      "Imported",
      brought.length === 1 && first !== undefined ? first : `${brought.length} executions from ${file.name}`,
    );
    if (first !== undefined) show(first);
  }
}
