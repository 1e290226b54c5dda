// The files of a workspace in a folder of Node, and language models that answer as a test says: no real model can be
// had in a test.

import { lstat, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { FolderEntry, LanguageModel, LanguageModels, WorkspaceFiles } from "../src/editor.ts";

export class FakeWorkspace implements WorkspaceFiles {
  readonly id: string | undefined;
  /** The differences that are shown now. */
  readonly shown = new Set<string>();
  readonly written: string[] = [];
  /** Runs after a file was written. */
  afterWrite: () => Promise<void> = async () => {};

  /** `excluded` are names of files and folders. */
  constructor(
    private readonly folder?: string,
    private readonly excluded: string[] = ["node_modules", ".git"],
  ) {
    this.id = folder && `file://${folder}`;
  }

  exclusions(): (path: string) => boolean {
    return (path) => this.excluded.includes(path.split("/").at(-1) ?? "");
  }

  async list(folder: string): Promise<FolderEntry[]> {
    const entries = await readdir(this.#path(folder), { withFileTypes: true });
    return entries.map((entry) => {
      const kind = entry.isSymbolicLink() ? "link" : entry.isFile() ? "file" : entry.isDirectory() ? "folder" : "other";
      return { name: entry.name, kind };
    });
  }

  async size(path: string): Promise<number> {
    return (await lstat(this.#path(path))).size;
  }

  async read(path: string): Promise<string> {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(this.#path(path))).replaceAll("\r\n", "\n");
  }

  async write(path: string, expected: string | undefined, text: string): Promise<boolean> {
    const current = await this.read(path).catch(() => undefined);
    if (current !== expected) return false;
    if (current !== text) this.written.push(path);
    await writeFile(this.#path(path), text);
    await this.afterWrite();
    return true;
  }

  async showDifference(_path: string | undefined, changed: { path: string }): Promise<void> {
    this.shown.add(changed.path);
  }

  async closeDifference(changed: { path: string }): Promise<void> {
    this.shown.delete(changed.path);
  }

  #path(path: string): string {
    return join(this.folder ?? "/missing", path);
  }
}

export class FakeModels implements LanguageModels {
  models: LanguageModel[] = [];
  readonly asked: string[][] = [];
  /** Answers a conversation. */
  onAsk: (messages: string[], signal: AbortSignal) => string | Promise<string> = () => "";
  readonly #listeners: (() => void)[] = [];

  /** Makes a model available whose answers `onAsk` returns. */
  offer(name: string, onAsk: FakeModels["onAsk"]): void {
    this.models = [{ id: `fake/${name}`, name }];
    this.onAsk = onAsk;
    this.#listeners.forEach((listener) => listener());
  }

  async list(): Promise<LanguageModel[]> {
    return this.models;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async ask(_id: string, messages: string[], signal: AbortSignal): Promise<string> {
    this.asked.push([...messages]);
    return this.onAsk(messages, signal);
  }
}
