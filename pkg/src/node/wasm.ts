// Reads the WebAssembly in Node: from beside this module or bundle, else from the installed package.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { RunstateError } from "../errors.js";
import type { WasmModule, WasmSource } from "../instance.js";
import { type WasmFile, explainFailure, compileBytes, compileWasm } from "../wasm.js";

/** Like {@link compileWasm}, also from a `file:` URL or an absolute path, which `fetch` of Node does not read. */
export async function compileWasmOrFile(wasm: WasmFile, source: WasmSource): Promise<WasmModule> {
  const address = typeof source === "string" || source instanceof URL ? String(source) : "";
  const path = address.startsWith("file:") ? fileURLToPath(address) : address;
  if (!isAbsolute(path)) return compileWasm(wasm, source);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw explainRead(wasm, path, error);
  });
  return compileBytes(wasm, bytes, path);
}

/** Reads and compiles a module. `byModule` derives its address from that of this module, which bundles of the format
 * `cjs` do not have. */
export async function readWasm(wasm: WasmFile, byModule: () => URL): Promise<WasmModule> {
  const here = resolveBeside(wasm, byModule);
  for (const path of [here, resolveInstalled(wasm, here)]) {
    if (path === undefined) continue;
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw explainRead(wasm, path, error);
    });
    if (bytes !== undefined) return compileBytes(wasm, bytes, path);
  }
  throw explainFailure(wasm, "io", `${here} does not exist`, undefined, `to ${dirname(here)}`);
}

function explainRead(wasm: WasmFile, path: string, error: unknown): RunstateError {
  return explainFailure(wasm, "io", `${path} cannot be read (${error instanceof Error ? error.message : String(error)})`, error);
}

/** The path beside this module, or beside the bundle. */
function resolveBeside(wasm: WasmFile, byModule: () => URL): string {
  try {
    return fileURLToPath(byModule());
  } catch {
    return join(typeof __dirname === "string" ? __dirname : process.cwd(), wasm.file);
  }
}

/**
 * The path in the package that is installed beside or above the bundle. The folder of a bundle may be a name that the
 * bundler made up (`/ROOT/…` in server components and actions of Next.js): then the package is installed beside or
 * above the working directory.
 */
function resolveInstalled(wasm: WasmFile, here: string): string | undefined {
  try {
    return createRequire(existsSync(dirname(here)) ? here : `${process.cwd()}/`).resolve(wasm.specifier);
  } catch {
    return undefined;
  }
}
