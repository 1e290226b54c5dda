// The hook by which Node imports programs from their files. Node calls it in a thread of its own, or in that of the
// import. It does not compile: the program is loaded in the same process, where the error has the same place.

import type { LoadHook } from "node:module";
import { fileURLToPath } from "node:url";

import { ENTRY_NAME, readProgram } from "./program-files.js";

export const load: LoadHook = (url, context, nextLoad) => {
  if (!url.startsWith("file:") || !ENTRY_NAME.test(new URL(url).pathname)) return nextLoad(url, context);
  const { program } = readProgram(fileURLToPath(url));
  return { format: "module", shortCircuit: true, source: `export default ${JSON.stringify(program)};\n` };
};
