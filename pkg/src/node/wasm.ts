// Reads the WebAssembly in Node: from beside this module or bundle, else from the installed package.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { WasmModule } from "../instance.js";
import { type WasmFile, explainFailure, compileBytes } from "../wasm.js";

/** Reads and compiles a module. `byModule` derives its address from that of this module, which bundles of the format
 * `cjs` do not have. */
export async function readWasm(wasm: WasmFile, byModule: () => URL): Promise<WasmModule> {
  const here = resolveBeside(wasm, byModule);
  for (const path of [here, resolveInstalled(wasm, here)]) {
    if (path === undefined) continue;
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw explainFailure(wasm, "io", `${path} cannot be read (${error.message})`, error);
    });
    if (bytes !== undefined) return compileBytes(wasm, bytes, path);
  }
  throw explainFailure(wasm, "io", `${here} does not exist`, undefined, `to ${dirname(here)}`);
}

/** The path beside this module, or beside the bundle. */
function resolveBeside(wasm: WasmFile, byModule: () => URL): string {
  try {
    return fileURLToPath(byModule());
  } catch {
    return join(typeof __dirname === "string" ? __dirname : process.cwd(), wasm.file);
  }
}

/** The path in the package that is installed beside or above the bundle. */
function resolveInstalled(wasm: WasmFile, here: string): string | undefined {
  try {
    return createRequire(here).resolve(wasm.specifier);
  } catch {
    return undefined;
  }
}
