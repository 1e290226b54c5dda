// The files of the workspace, over the editor's file systems: the same on the desktop, over SSH and on the web.

import * as vscode from "vscode";

import type { FolderEntry, WorkspaceFiles } from "./editor.ts";

export class VsCodeWorkspace implements WorkspaceFiles {
  get id(): string | undefined {
    const { workspaceFile, workspaceFolders } = vscode.workspace;
    return (workspaceFile ?? workspaceFolders?.[0]?.uri)?.toString();
  }

  exclusions(): (path: string) => boolean {
    const patterns = new Map<vscode.WorkspaceFolder, vscode.RelativePattern[]>();
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      const settings = vscode.workspace.getConfiguration(undefined, folder);
      // A condition on a sibling (`{ "when": … }`) counts as always met.
      const globs = ["files.exclude", "search.exclude"].flatMap((name) => Object.entries(settings.get<Record<string, unknown>>(name) ?? {}));
      patterns.set(folder, globs.filter(([, on]) => on).map(([glob]) => new vscode.RelativePattern(folder, glob)));
    }
    return (path) => {
      const [folder, uri] = this.#locate(path);
      if (folder === undefined) return false;
      // The editor matches globs against documents, of which it reads only these members.
      const document = { uri, languageId: "" } as vscode.TextDocument;
      return (patterns.get(folder) ?? []).some((pattern) => vscode.languages.match({ pattern }, document) > 0);
    };
  }

  async list(folder: string): Promise<FolderEntry[]> {
    const folders = vscode.workspace.workspaceFolders ?? [];
    if (folder === "" && folders.length > 1) return folders.map(({ name }) => ({ name, kind: "folder" }));
    return (await vscode.workspace.fs.readDirectory(this.#uri(folder))).map(([name, type]) => ({ name, kind: kindOf(type) }));
  }

  async size(path: string): Promise<number> {
    return (await vscode.workspace.fs.stat(this.#uri(path))).size;
  }

  async read(path: string): Promise<string> {
    const uri = this.#uri(path);
    const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
    if (open !== undefined) return withLineFeeds(open.getText());
    const bytes = await vscode.workspace.fs.readFile(uri);
    return withLineFeeds(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  }

  async write(path: string, expected: string | undefined, text: string): Promise<boolean> {
    const uri = this.#uri(path);
    const edit = new vscode.WorkspaceEdit();
    if (expected === undefined) {
      // It fails if the file exists.
      edit.createFile(uri, { contents: new TextEncoder().encode(text) });
      return vscode.workspace.applyEdit(edit);
    }
    const document = await vscode.workspace.openTextDocument(uri);
    if (withLineFeeds(document.getText()) !== expected) return false;
    // The editor keeps the ends of lines that the file has.
    edit.replace(uri, new vscode.Range(new vscode.Position(0, 0), document.lineAt(document.lineCount - 1).range.end), text);
    if (text !== expected && !(await vscode.workspace.applyEdit(edit))) return false;
    if (document.isDirty && !(await document.save())) throw new Error(`${path} was changed in its editor, but could not be saved`);
    return true;
  }

  async showDifference(path: string | undefined, changed: { scheme: string; path: string }, title: string): Promise<void> {
    const left = path === undefined ? vscode.Uri.from({ scheme: changed.scheme, path: "/empty" }) : this.#uri(path);
    await vscode.commands.executeCommand("vscode.diff", left, vscode.Uri.from(changed), title, { preview: false });
  }

  async closeDifference(changed: { scheme: string; path: string }): Promise<void> {
    const uri = vscode.Uri.from(changed).toString();
    const tabs = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);
    await vscode.window.tabGroups.close(tabs.filter(({ input }) => input instanceof vscode.TabInputTextDiff && input.modified.toString() === uri));
  }

  #uri(path: string): vscode.Uri {
    const [folder, uri] = this.#locate(path);
    if (folder === undefined) throw new Error(`"${path}" is not in a folder of the workspace`);
    return uri;
  }

  #locate(path: string): [vscode.WorkspaceFolder, vscode.Uri] | [undefined, undefined] {
    const folders = vscode.workspace.workspaceFolders ?? [];
    const [name, ...rest] = path.split("/");
    const folder = folders.length > 1 ? folders.find((other) => other.name === name) : folders[0];
    if (folder === undefined) return [undefined, undefined];
    return [folder, vscode.Uri.joinPath(folder.uri, ...(folders.length > 1 ? rest : [path]))];
  }
}

function kindOf(type: vscode.FileType): FolderEntry["kind"] {
  if ((type & vscode.FileType.SymbolicLink) !== 0) return "link";
  if (type === vscode.FileType.File) return "file";
  return type === vscode.FileType.Directory ? "folder" : "other";
}

function withLineFeeds(text: string): string {
  return text.replaceAll("\r\n", "\n");
}
