// Exports executions to files and imports them.

import { explain } from "../engine/errors";
import { engine } from "../engine/session";
import { notify, warn } from "../state/notices";
import { showExecution } from "../state/route";
import { executionsIn } from "./export-file";

/** Saves an execution with its program as a file that any runstate store can import. */
export async function saveExport(execution: string): Promise<void> {
  const rs = engine();
  if (rs === null) return;
  const file = await rs.export({ execution });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${execution}.runstate.jsonl`;
  link.click();
  // The browser has read the file by then. A URL that is never revoked would keep the file in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  notify("Exported", `${link.download}: drop the file on this page in any browser, or use \`runstate import\`.`);
}

/** Imports files one after the other and shows the first execution of each. */
export async function importFiles(files: Iterable<File>): Promise<void> {
  const rs = engine();
  if (rs === null) return;
  for (const file of files) {
    const imported = executionsIn(await file.text());
    try {
      await rs.import(file);
    } catch (error) {
      warn(`${file.name} was not imported`, `${explain(error).message}. Nothing was changed.`);
      continue;
    }
    const first = imported[0];
    notify(
      "Imported",
      imported.length === 1 && first !== undefined ? first : `${imported.length} executions from ${file.name}`,
    );
    if (first !== undefined) showExecution(first);
  }
}
