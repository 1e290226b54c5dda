// `verify`: every file of a store on files.

import { RunstateError } from "../errors.js";
import { verifyFiles } from "../node.js";
import { Exit } from "./exit.js";
import type { Out } from "./out.js";

/** Reads and checks every file; the exit code. */
export async function verify(url: string, out: Out): Promise<number> {
  // Refuses what is not on files, without repeating a password.
  const report = await verifyFiles(url);
  const directory = url.slice("file:".length).split("?")[0];
  const damage = report.findings.find(({ gravity }) => gravity === "damage");
  if (out.json) {
    out.value({ ok: damage === undefined, url, report });
    return damage === undefined ? Exit.done : Exit.store;
  }
  for (const { at, gravity, why } of report.findings) out.line(`${at}: ${gravity}: ${why}`);
  if (damage !== undefined) {
    throw new RunstateError({
      code: "corrupt",
      message: `${directory}/${damage.at} is damaged: ${damage.why}. It is whole up to commit ${report.head}`,
    });
  }
  const { documents, commits, snapshot, bytes } = report;
  out.line(
    `the store at ${directory} is whole: ${documents} documents, ${commits} commits behind snapshot ${snapshot ?? 0}, ${bytes} bytes read`,
  );
  return Exit.done;
}
