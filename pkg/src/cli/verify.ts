// `verify`: checks the documents of a store; in a file store it checks every file first.

import { RunstateError } from "../errors.js";
import { open, verifyFiles } from "../node.js";
import type { VerifyReport } from "../wire.js";
import { Exit } from "./exit.js";
import type { OutputWriter } from "./output.js";

/** Reads and checks the whole store. Returns the exit code. */
export async function verify(url: string, out: OutputWriter): Promise<number> {
  const files = url.startsWith("file:");
  const report = files ? await verifyFiles(url) : await verifyStore(url);
  const location = files ? url.slice("file:".length).split("?")[0] : url;
  const damage = report.findings.find(({ severity }) => severity === "damage");
  if (out.json) {
    out.value({ ok: damage === undefined, url, report });
    return damage === undefined ? Exit.done : Exit.store;
  }
  for (const { at, severity, why } of report.findings) out.line(`${at}: ${severity}: ${why}`);
  if (report.omitted > 0) out.line(`${report.omitted} more findings`);
  if (damage !== undefined) {
    const undamaged = files ? `. The files are intact up to commit ${report.head}; to see what a repair would do, run the native command \`runstate repair --dry-run\`` : "";
    throw new RunstateError({ code: "corrupt", message: `${location}/${damage.at} is damaged: ${damage.why}${undamaged}` });
  }
  const { documents, entries, commits, snapshot, bytes } = report;
  const read = files ? `, ${commits} commits after snapshot ${snapshot ?? 0}, ${bytes} bytes read` : "";
  out.line(`the store at ${location} is intact: ${documents} documents${read}, ${entries} index entries compared`);
  return Exit.done;
}

async function verifyStore(url: string): Promise<VerifyReport> {
  // Opening rejects URLs that this host does not support, without repeating a password.
  const rs = await open(url, { timers: "off", mustExist: true });
  try {
    return await rs.verify();
  } finally {
    await rs.close();
  }
}
