// A program in files: the entry, whose name ends in `.program.ts`, and the files that it imports.

import { readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

import type { ProgramFile } from "./wire.js";

/** The names of entries. A compiler of TypeScript writes `.program.js`. */
export const ENTRY_NAME = /\.program\.[jt]s$/;

/**
 * A relative import or export of more than types. Text that only looks like one adds a file that no file imports; the
 * compiler leaves it out.
 */
const RELATIVE_IMPORT = /\b(?:import|export)\b(?!\s+type\b)[^'";]*?(["'])(\.{1,2}(?:\/[^'"\n]*)?)\1/g;

/** The codes of errors of paths at which no file is. */
const NO_FILE = new Set<unknown>(["ENOENT", "ENOTDIR", "EISDIR"]);

/** A program as it was read. */
export interface ProgramFiles {
  /** The name of the entry's file before `.program.ts`. */
  name: string;
  source: string;
  /** Path of the entry below the root. */
  entry: string;
  files: ProgramFile[];
}

/** Reads the program whose entry is at `path`. The root is the innermost folder that has all its files. */
export function readProgram(path: string): { program: ProgramFiles; root: string } {
  const main = resolve(path);
  const source = readFileSync(main, "utf8");
  const sources = new Map([[main, source]]);
  // The iteration visits what is added meanwhile.
  for (const [importer, text] of sources) {
    for (const [, , specifier = ""] of text.matchAll(RELATIVE_IMPORT)) {
      for (const candidate of candidatePaths(resolve(dirname(importer), specifier))) {
        const found = sources.has(candidate) ? undefined : readIfExists(candidate);
        if (found !== undefined) sources.set(candidate, found);
      }
    }
  }
  sources.delete(main);
  let root = dirname(main);
  for (const file of sources.keys()) while (relative(root, file).startsWith("..")) root = dirname(root);
  const below = (file: string) => relative(root, file).replaceAll("\\", "/");
  const files = Array.from(sources, ([file, text]) => ({ path: below(file), source: text }));
  return { program: { name: basename(main).replace(ENTRY_NAME, ""), source, entry: below(main), files }, root };
}

/** All paths at which the file of an import may be. The compiler chooses one of those that exist. */
function candidatePaths(path: string): string[] {
  return [path, path.replace(/js$/, "ts"), `${path}.ts`, `${path}.js`, join(path, "index.ts"), join(path, "index.js")];
}

function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (NO_FILE.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}
