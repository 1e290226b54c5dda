// Language help for programs: which files are programs, their compile errors, and the line of their entry.

import type { CodeError, Diagnostic } from "runstate";
import type { SourceOptions } from "runstate/compiler";

import type { Editor, Problem, TextFile } from "./editor.ts";
import { codeOf, detailOf } from "./errors.ts";
import type { Store } from "./store.ts";

/** How long typing rests before a program is compiled, in milliseconds. */
const COMPILE_DELAY_MS = 250;

/** A first line that makes a file a program. */
const MARKER = /^\s*\/\/.*(@runstate\b|<reference\s+types="runstate\/program"\s*\/>)/;

/** Languages whose files may be programs. */
const LANGUAGES = new Set(["typescript", "javascript"]);

export function isProgram(file: TextFile, globs: string[]): boolean {
  return LANGUAGES.has(file.language) && (MARKER.test(file.text.split("\n", 1)[0] ?? "") || (globs.length > 0 && file.matches(globs)));
}

/** The name under which a file is loaded: `trip` for `trip.run.ts`. */
export function programName(fileName: string): string {
  return fileName.replace(/\.[cm]?[jt]s$/, "").replace(/\.run$/, "") || "program";
}

/** The line of `main`, or of the first statement; from 1. */
export function entryLine(source: string): number {
  const code = blankComments(source).split("\n");
  const main = code.findIndex((line) => /^\s*(export\s+)?function\s+main\s*\(/.test(line));
  const first = code.findIndex((line) => line.trim() !== "");
  return Math.max(0, main === -1 ? first : main) + 1;
}

/** Replaces comments by spaces; lines keep their numbers. Good enough to find the first statement: strings are left as
 * they are. */
function blankComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
}

/** An import of a file of the program. */
const IMPORT = /\b(from|import)\s*["']\.{1,2}\//;

/** The files that a program may import; none if it has no imports. */
export async function filesOf(editor: Editor, file: Pick<TextFile, "uri" | "name" | "text">): Promise<SourceOptions> {
  return IMPORT.test(file.text) ? { entry: file.name, files: await editor.filesBeside(file.uri) } : {};
}

/** The diagnostics of a compile error of a program with this entry; undefined for any other error. Those of other
 * files are in the first line. */
export function diagnosticsOf(error: unknown, { entry }: SourceOptions = {}): Problem[] | undefined {
  if (codeOf(error) !== "compile_error") return undefined;
  const { details } = error as { details?: { diagnostics?: Diagnostic[] } };
  return problemsOf(details?.diagnostics ?? [], entry);
}

export function problemsOf(diagnostics: NonNullable<CodeError["diagnostics"]>, entry?: string): Problem[] {
  return diagnostics.map(({ file, line, column, message, hint }) => {
    const text = hint === undefined ? message : `${message}. ${hint}`;
    if (entry === undefined || file === entry) return { line, column, message: text };
    return { line: 1, column: 1, message: `${file}:${line}:${column}: ${text}` };
  });
}

/** Shows compile errors of programs while they are typed. */
export class LanguageHelp {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
  ) {
    editor.onFileChange((file) => this.#checkSoon(file));
    editor.onFileClose((uri) => {
      clearTimeout(this.#timers.get(uri));
      this.#timers.delete(uri);
      editor.problems(uri, []);
    });
  }

  #isProgram(file: TextFile): boolean {
    return isProgram(file, this.editor.setting("programFiles"));
  }

  #checkSoon(file: TextFile): void {
    clearTimeout(this.#timers.get(file.uri));
    if (!this.#isProgram(file)) return this.editor.problems(file.uri, []);
    this.#timers.set(
      file.uri,
      setTimeout(() => void this.#check(file), COMPILE_DELAY_MS),
    );
  }

  async #check(file: TextFile): Promise<void> {
    const { uri, name, text } = file;
    let files: SourceOptions = {};
    try {
      files = await filesOf(this.editor, file);
      await this.store.compile(programName(name), text, files);
      if (file.text === text) this.editor.problems(uri, []);
    } catch (error) {
      const problems = diagnosticsOf(error, files);
      if (problems === undefined) this.editor.log("warn", `${name} was not checked: ${detailOf(error)}`);
      // A file that changed meanwhile is checked again.
      else if (file.text === text) this.editor.problems(uri, problems);
    }
  }
}
