// `runstate/programs`: plugins of bundlers, by which code imports programs from their files. A plugin compiles the
// program. So an error in it is an error of the build, and the host that loads it needs no compiler.

import { join } from "node:path";

import { diagnosticsOf } from "./compiler-instance.js";
import { compile } from "./compiler-node.js";
import { ENTRY_NAME, readProgram } from "./program-files.js";
import type { Diagnostic } from "./wire.js";

/** A plugin for Vite, Rollup and rolldown. Their types are not used, because the package does not depend on them. */
export interface VitePlugin {
  name: string;
  enforce: "pre";
  load(this: VitePluginContext, id: string): Promise<{ code: string; map: null } | undefined>;
}

/** What a {@link VitePlugin} calls of its bundler. */
export interface VitePluginContext {
  addWatchFile(id: string): void;
  warn(log: { message: string }): void;
  error(error: { message: string; id: string; loc: { file: string; line: number; column: number } }): never;
}

/** A plugin for esbuild. */
export interface EsbuildPlugin {
  name: string;
  setup(build: EsbuildBuild): void;
}

/** What an {@link EsbuildPlugin} calls of esbuild. */
export interface EsbuildBuild {
  onLoad(options: { filter: RegExp }, callback: (args: { path: string }) => Promise<EsbuildModule>): void;
}

/** What an {@link EsbuildPlugin} returns for a program. */
export interface EsbuildModule {
  contents: string;
  warnings: { text: string }[];
  errors: { text: string; location: { file: string; line: number; column: number; lineText: string }; notes: { text: string }[] }[];
  watchFiles: string[];
}

/** The module that exports a program. */
interface ProgramModule {
  /** Empty if the program does not compile. */
  code: string;
  warnings: string[];
  /** Why the program does not compile. Files have their absolute paths. */
  diagnostics: Diagnostic[];
  /** The absolute paths of the files that were read. */
  paths: string[];
}

/**
 * Returns the plugin for Vite, Rollup and rolldown. An import of `NAME.program.ts` gives what `load` and `start` of a
 * store take. TypeScript sees the function that the file exports; see `ImportedProgram` of `runstate`.
 *
 * @example
 * export default defineConfig({ plugins: [vitePlugin()] });
 */
export function vitePlugin(): VitePlugin {
  return {
    name: "runstate",
    // Before the plugin that compiles TypeScript.
    enforce: "pre",
    async load(id) {
      if (!ENTRY_NAME.test(id)) return undefined;
      const { code, warnings, diagnostics: [first], paths } = await compileModule(id);
      for (const path of paths) this.addWatchFile(path);
      if (first !== undefined) {
        const { file, line, column } = first;
        this.error({ message: describe(first), id: file, loc: { file, line, column: column - 1 } });
      }
      for (const message of warnings) this.warn({ message });
      return { code, map: null };
    },
  };
}

/**
 * Returns the plugin for esbuild. It does the same as {@link vitePlugin}.
 *
 * @example
 * await build({ entryPoints: ["app.ts"], bundle: true, plugins: [esbuildPlugin()] });
 */
export function esbuildPlugin(): EsbuildPlugin {
  return {
    name: "runstate",
    setup(build) {
      build.onLoad({ filter: ENTRY_NAME }, async ({ path }) => {
        const { code, warnings, diagnostics, paths } = await compileModule(path);
        const errors = diagnostics.map(({ file, line, column, message, hint, sourceLine }) => ({
          text: message,
          // Columns of esbuild count bytes, from 0.
          location: { file, line, column: Buffer.byteLength(sourceLine.slice(0, column - 1)), lineText: sourceLine },
          notes: hint === undefined ? [] : [{ text: hint }],
        }));
        return { contents: code, warnings: warnings.map((text) => ({ text })), errors, watchFiles: paths };
      });
    },
  };
}

async function compileModule(path: string): Promise<ProgramModule> {
  const { program: { name, source, entry, files }, root } = readProgram(path);
  const absolute = (file: string) => join(root, file);
  const paths = [entry, ...files.map((file) => file.path)].map(absolute);
  try {
    const { hash: _, ...compiled } = await compile(name, source, { entry, files });
    const code = `export default ${JSON.stringify({ name, source, ...compiled })};\n`;
    return { code, warnings: compiled.warnings ?? [], diagnostics: [], paths };
  } catch (error) {
    const diagnostics = diagnosticsOf(error);
    if (diagnostics.length === 0) throw error;
    return { code: "", warnings: [], diagnostics: diagnostics.map((found) => ({ ...found, file: absolute(found.file) })), paths };
  }
}

/** Describes a problem without its place. */
function describe({ message, hint, sourceLine }: Diagnostic): string {
  return `${message}\n    ${sourceLine}${hint === undefined ? "" : `\n    hint: ${hint}`}`;
}
