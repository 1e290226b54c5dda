// The files that tools may use: those in the workspace that the editor's settings do not exclude. A path is accepted
// only if every part of it is listed in its folder under exactly that name and is not a link, so that neither `..`,
// links, nor other spellings of a name lead elsewhere.

import type { FolderEntry, WorkspaceFiles } from "../editor.ts";

/** The longest path, in characters. */
const PATH_CHARACTERS = 1000;

/** The largest file that is read or written, in bytes. */
export const FILE_BYTES = 512 * 1024;

/** The largest number of entries that one walk visits. */
const VISITED = 20_000;

/** A reason that the program gets as the result of its call: the call is answered, not retried. */
export class ToolRefusal extends Error {}

/** The kind of entry that the workspace has at a path. */
export type PathKind = "file" | "folder" | "missing";

export class ConfinedFiles {
  constructor(private readonly workspace: WorkspaceFiles) {}

  /** The kind of a path, whose last part may be missing. Refuses a path that tools may not use. */
  async kind(path: string): Promise<PathKind> {
    checkSyntax(path);
    const isExcluded = this.workspace.exclusions();
    const parts = path.split("/");
    for (const [n, part] of parts.entries()) {
      const here = parts.slice(0, n + 1).join("/");
      if (isExcluded(here)) throw new ToolRefusal(`"${here}" is excluded by the settings of the editor`);
      const entry = (await this.workspace.list(parts.slice(0, n).join("/"))).find(({ name }) => name === part);
      const isLast = n === parts.length - 1;
      if (entry === undefined && isLast) return "missing";
      if (entry === undefined) throw new ToolRefusal(`"${here}" does not exist`);
      if (entry.kind === "link") throw new ToolRefusal(`"${here}" is a symbolic link, which is not followed`);
      if (isLast && (entry.kind === "file" || entry.kind === "folder")) return entry.kind;
      if (entry.kind !== "folder") throw new ToolRefusal(`"${here}" is not a ${isLast ? "file" : "folder"}`);
    }
    return "missing";
  }

  /** The text of a file; undefined if it does not exist. */
  async find(path: string): Promise<string | undefined> {
    const kind = await this.kind(path);
    if (kind === "missing") return undefined;
    if (kind === "folder") throw new ToolRefusal(`"${path}" is a folder`);
    return this.contents(path);
  }

  /** The text of a file whose path was checked before: `walk` returned it, for example. */
  async contents(path: string): Promise<string> {
    const bytes = await this.workspace.size(path);
    if (bytes > FILE_BYTES) throw new ToolRefusal(`"${path}" is too large: ${bytes} bytes, at most ${FILE_BYTES} are read`);
    const text = await this.workspace.read(path).catch((error: unknown) => {
      if (error instanceof TypeError) throw new ToolRefusal(`"${path}" is not UTF-8 text`);
      throw error;
    });
    if (text.includes("\0")) throw new ToolRefusal(`"${path}" is not text`);
    // An open editor may hold more than the file.
    if (text.length > FILE_BYTES) throw new ToolRefusal(`"${path}" is too large`);
    return text;
  }

  async read(path: string): Promise<string> {
    const text = await this.find(path);
    if (text === undefined) throw new ToolRefusal(`"${path}" does not exist`);
    return text;
  }

  /** The paths of the files below a folder, `""` being the workspace, sorted folder by folder. Ends early after very
   * many entries. */
  async *walk(folder: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
    if (folder !== "" && (await this.kind(folder)) !== "folder") throw new ToolRefusal(`"${folder}" is not a folder`);
    const isExcluded = this.workspace.exclusions();
    const folders = [folder];
    let visited = 0;
    for (let next = folders.shift(); next !== undefined; next = folders.shift()) {
      signal.throwIfAborted();
      for (const { name, kind } of sort(await this.workspace.list(next))) {
        if (++visited > VISITED) return;
        const path = next === "" ? name : `${next}/${name}`;
        if (kind === "link" || kind === "other" || isExcluded(path)) continue;
        if (kind === "folder") folders.push(path);
        else yield path;
      }
    }
  }
}

function sort(entries: FolderEntry[]): FolderEntry[] {
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function checkSyntax(path: string): void {
  if (path === "" || path.length > PATH_CHARACTERS) throw new ToolRefusal(`a path has 1 to ${PATH_CHARACTERS} characters`);
  const named = JSON.stringify(path);
  if (path.startsWith("/") || /^[a-z]:/i.test(path)) throw new ToolRefusal(`${named} is absolute; use a path relative to the workspace`);
  // Windows reads `\` as a separator, `:` as a drive or a stream, and drops dots and spaces at the end of a name.
  if (/[\\:\u0000-\u001f\u007f]/.test(path)) throw new ToolRefusal(`${named} has characters that are not valid in a path`);
  const isPlain = (part: string) => part !== "" && !/[. ]$/.test(part);
  if (!path.split("/").every(isPlain)) throw new ToolRefusal(`${named} is not a plain path: no "..", no "." and no empty part`);
}
