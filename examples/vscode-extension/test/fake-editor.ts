// An editor without windows: what the extension shows is recorded, and what a person would do is scripted.

import { readFile } from "node:fs/promises";

import { type CallView, type OpenOptions, type Runstate, open } from "runstate";
import { compile } from "runstate/compiler";

import type { Choice, Editor, LensSource, PageSource, Problem, Settings } from "../src/editor.ts";
import type { TextFile, TextInput, TextInputResult, TreeNode, TreeSource, VirtualFiles } from "../src/editor.ts";
import { startExtension } from "../src/extension.ts";
import { openScratch } from "../src/scratch.ts";
import { type Host, type Store, waitsForPerson } from "../src/store.ts";
import { FakeModels, FakeWorkspace } from "./fake-workspace.ts";

export class FakeEditor implements Editor {
  isTrusted = true;
  project: Editor["project"];
  readonly storageFolder = "";
  readonly settings: Settings = { answeredBy: "Ada", programFiles: ["*.run.ts"], finishedExecutions: 50, storeFolder: "" };
  readonly messages: string[] = [];
  readonly logged: string[] = [];
  readonly commands = new Map<string, (argument: unknown) => unknown>();
  readonly files = new Map<string, VirtualFiles>();
  readonly contents = new Map<string, (path: string) => Promise<string>>();
  readonly shownProblems = new Map<string, Problem[]>();
  readonly shownPages: string[] = [];
  readonly asked: string[] = [];
  /** Picks a choice by its label, or dismisses the list. */
  onPick: (title: string, labels: string[]) => string | undefined = () => undefined;
  onInput: (input: TextInput) => TextInputResult | undefined = () => undefined;
  confirms = true;
  workspace = new FakeWorkspace();
  models = new FakeModels();
  readonly offered: string[] = [];
  /** Chooses an action of an offer, or dismisses it. An offer without an answer stays open. */
  onOffer: (message: string) => string | undefined | Promise<string | undefined> = () => undefined;
  active: TextFile | undefined;
  activeAnswer: string | undefined;
  /** The text in that editor, if it could not be stored. */
  typed: string | undefined;
  chosen: Uint8Array | undefined;
  saved: Uint8Array | undefined;
  statusText = "";
  statusTooltip = "";
  source: TreeSource | undefined;
  pageSource: PageSource | undefined;
  lensSource: LensSource | undefined;
  readonly #closing: (() => unknown)[] = [];
  readonly #trusted: (() => void)[] = [];
  readonly #changed: ((file: TextFile) => void)[] = [];

  /** Whether the window has been closed, while its host goes on. */
  isClosed = false;

  responds(): Promise<void> {
    return this.isClosed ? new Promise(() => {}) : Promise.resolve();
  }

  onTrusted(listener: () => void): void {
    this.#trusted.push(listener);
  }
  trust(): void {
    this.isTrusted = true;
    this.#trusted.forEach((listener) => listener());
  }
  onClose(listener: () => unknown): void {
    this.#closing.push(listener);
  }
  async close(): Promise<void> {
    await Promise.all(this.#closing.map((listener) => listener()));
  }
  setting<K extends keyof Settings>(name: K): Settings[K] {
    return this.settings[name];
  }
  onSettingsChange(): void {}
  asset(path: string): Promise<Uint8Array> {
    return readFile(path);
  }
  log(level: string, message: string): void {
    this.logged.push(`${level}: ${message}`);
  }
  showLog(): void {}
  inform(message: string): void {
    this.messages.push(message);
  }
  warn(message: string): void {
    this.messages.push(message);
  }
  fail(message: string): void {
    this.messages.push(message);
  }
  async confirm(): Promise<boolean> {
    return this.confirms;
  }
  async offer(message: string): Promise<string | undefined> {
    this.offered.push(message);
    return this.onOffer(message);
  }
  withProgress<T>(_title: string, task: () => Promise<T>): Promise<T> {
    return task();
  }
  async pick<T>(title: string, _placeholder: string, choices: Choice<T>[]): Promise<Choice<T> | undefined> {
    this.asked.push(title);
    const label = this.onPick(
      title,
      choices.map((choice) => choice.label),
    );
    return choices.find((choice) => choice.label === label);
  }
  async input(input: TextInput): Promise<TextInputResult | undefined> {
    this.asked.push(input.title);
    return this.onInput(input);
  }
  activeFile(): TextFile | undefined {
    return this.active;
  }
  async openVirtualFile(_scheme: string, path: string): Promise<void> {
    this.activeAnswer = path;
  }
  async saveVirtualFile(scheme: string): Promise<{ path: string; text: string } | undefined> {
    const path = this.activeAnswer;
    if (path === undefined) return undefined;
    const text = this.typed ?? (await this.files.get(scheme)?.read(path)) ?? "";
    this.typed = undefined;
    return { path, text };
  }
  async closeVirtualFile(): Promise<void> {
    this.activeAnswer = undefined;
  }
  async saveAs(name: string, contents: Uint8Array): Promise<string> {
    this.saved = contents;
    return name;
  }
  async writeBeside(name: string): Promise<string> {
    return name;
  }
  beside: { path: string; source: string }[] = [];
  async filesBeside(): Promise<{ path: string; source: string }[]> {
    return this.beside;
  }
  async reloadTypes(): Promise<void> {}
  async chooseFile(): Promise<Uint8Array | undefined> {
    return this.chosen;
  }
  command(name: string, handler: (argument: unknown) => unknown): void {
    this.commands.set(name, handler);
  }
  tree(_view: string, source: TreeSource): void {
    this.source = source;
  }
  status(text: string, tooltip: string): void {
    this.statusText = text;
    this.statusTooltip = tooltip;
  }
  virtualFiles(scheme: string, files: VirtualFiles): void {
    this.files.set(scheme, files);
  }
  virtualContents(scheme: string, read: (path: string) => Promise<string>): void {
    this.contents.set(scheme, read);
  }
  problems(uri: string, problems: Problem[]): void {
    this.shownProblems.set(uri, problems);
  }
  onFileChange(listener: (file: TextFile) => void): void {
    this.#changed.push(listener);
  }
  change(file: TextFile): void {
    this.#changed.forEach((listener) => listener(file));
  }
  onFileClose(): void {}
  lenses(source: LensSource): void {
    this.lensSource = source;
  }
  pages(_kind: string, source: PageSource): void {
    this.pageSource = source;
  }
  showPage(_kind: string, id: string): void {
    this.shownPages.push(id);
  }
}

/** A window of the extension on a store. */
export class FakeWindow {
  readonly editor = new FakeEditor();
  readonly store: Store;

  /** Why the store cannot be used any more. */
  #killed: Error | undefined;

  constructor(
    url = "memory:",
    prepare: (editor: FakeEditor) => void = () => {},
    openStore: (url: string, options: OpenOptions) => Promise<Runstate> = open,
  ) {
    prepare(this.editor);
    const host: Host = {
      hostname: "box",
      open: async (_, options) => {
        if (this.#killed !== undefined) throw this.#killed;
        return openStore(url, options);
      },
      compile: (_, name, source) => compile(name, source),
      scratch: openScratch,
    };
    this.store = startExtension(this.editor, host, { beatMs: 50, probeMs: 400, presenceMs: 200 });
  }

  /** Ends the window as SIGKILL does: it does nothing more, and nothing is cleaned up. */
  async kill(): Promise<void> {
    this.#killed = new Error("the window was killed");
    await this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.editor.close();
  }

  /** Runs a command of the extension. */
  async run(name: string, argument?: unknown): Promise<void> {
    await this.editor.commands.get(`runstate.${name}`)?.(argument);
  }

  /** Runs a program; the questions that follow are dismissed unless the editor answers them. Returns the id of the
   * execution. */
  async runProgram(source: string, name = "trip.run.ts"): Promise<string> {
    this.editor.active = file(name, source);
    await this.run("run");
    return this.editor.shownPages.at(-1) ?? "";
  }

  /** The calls that wait for a person, when the store has collected those that are open. */
  async waiting(): Promise<CallView[]> {
    const rs = await this.store.open();
    await waitUntil(async () => {
      await this.store.refresh();
      const { items } = await rs.runs.calls({ open: true });
      const open = items.filter((call) => waitsForPerson(call) && (call.claim?.until ?? 0) < Date.now());
      return open.every(({ id }) => this.store.snapshot.waiting.some((call) => call.id === id));
    });
    return this.store.snapshot.waiting;
  }

  /** The tree as text, one row a line. */
  async rows(): Promise<string[]> {
    const lines: string[] = [];
    const add = (node: TreeNode, indent: string): void => {
      lines.push(`${indent}${node.row.label} [${node.row.context}]`);
      node.children.forEach((child) => add(child, `${indent}  `));
    };
    (await this.nodes()).forEach((node) => add(node, ""));
    return lines;
  }

  async nodes(): Promise<TreeNode[]> {
    await this.waiting();
    return (await this.editor.source?.roots()) ?? [];
  }
}

export function file(name: string, text: string, language = "typescript"): TextFile {
  return { uri: `file:///${name}`, name, language, text, matches: (globs) => globs.some((glob) => name.endsWith(glob.replace("*", ""))) };
}

/** Waits until a condition holds. */
export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 500) throw new Error("the condition did not come true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
