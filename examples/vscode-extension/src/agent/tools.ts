// The tools of an agent that only read. A result is bounded, and says if it is cut.

import type { Json } from "runstate";

import { ConfinedFiles, ToolRefusal } from "./confined-files.ts";

/** The largest number of paths that a list has. */
const LISTED = 500;

/** The largest text that a read returns, in characters. */
const READ_CHARACTERS = 60_000;

/** Bounds of a search. */
const MATCHES = 100;
const SEARCHED_FILES = 3000;
const SEARCHED_CHARACTERS = 32 * 1024 * 1024;
const LINE_CHARACTERS = 300;

/** Arguments as the program passed them. */
export type ToolArguments = { readonly [name: string]: Json | undefined };

export class ReadingTools {
  constructor(private readonly files: ConfinedFiles) {}

  /** `{ path? }` → `{ paths, more }`: the files below a folder. */
  async listFiles(args: ToolArguments, signal: AbortSignal): Promise<Json> {
    const paths: string[] = [];
    for await (const path of this.files.walk(optionalText(args, "path"), signal)) {
      if (paths.length === LISTED) return { paths, more: true };
      paths.push(path);
    }
    return { paths, more: false };
  }

  /** `{ path, line? }` → `{ text, line, lines, more }`: the text of a file from a line on; lines are from 1. */
  async readFile(args: ToolArguments): Promise<Json> {
    const first = args.line ?? 1;
    if (typeof first !== "number" || !Number.isInteger(first) || first < 1) throw new ToolRefusal("`line` must be a number from 1");
    const lines = (await this.files.read(text(args, "path"))).split("\n");
    const rest = lines.slice(first - 1).join("\n");
    return { text: rest.slice(0, READ_CHARACTERS), line: first, lines: lines.length, more: rest.length > READ_CHARACTERS };
  }

  /**
   * `{ text, path? }` → `{ matches: [{ path, line, text }], more, skipped }`: the lines below a folder that contain a
   * text, in any case of letters. Files that are too large, not text or not readable are skipped.
   */
  async search(args: ToolArguments, signal: AbortSignal): Promise<Json> {
    const sought = text(args, "text").toLowerCase();
    const matches: { path: string; line: number; text: string }[] = [];
    let [files, characters, skipped] = [0, 0, 0];
    for await (const path of this.files.walk(optionalText(args, "path"), signal)) {
      if (++files > SEARCHED_FILES || characters > SEARCHED_CHARACTERS) return { matches, more: true, skipped };
      const contents = await this.files.contents(path).catch(() => void skipped++);
      characters += contents?.length ?? 0;
      for (const [n, line] of (contents ?? "").split("\n").entries()) {
        if (!line.toLowerCase().includes(sought)) continue;
        if (matches.length === MATCHES) return { matches, more: true, skipped };
        matches.push({ path, line: n + 1, text: line.slice(0, LINE_CHARACTERS) });
      }
    }
    return { matches, more: false, skipped };
  }
}

/** Checks that a program passed an object. */
export function toArguments(args: Json): ToolArguments {
  if (typeof args !== "object" || args === null || Array.isArray(args)) throw new ToolRefusal("a tool takes an object");
  return args;
}

/** The argument `name`, which must be a text that is not empty. */
export function text(args: ToolArguments, name: string): string {
  const value = args[name];
  if (typeof value !== "string" || value === "") throw new ToolRefusal(`\`${name}\` must be a text that is not empty`);
  return value;
}

function optionalText(args: ToolArguments, name: string): string {
  return args[name] === undefined || args[name] === null || args[name] === "" || args[name] === "." ? "" : text(args, name);
}
