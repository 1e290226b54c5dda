// The interfaces of an editor, as far as the extension needs them. Everything but the files `vscode*.ts` is written
// against them, so that tests run it in plain Node.

/** A row of the tree. */
export interface Row {
  /** Stable across refreshes, so that the editor keeps selection and expansion. */
  id: string;
  label: string;
  description?: string;
  tooltip?: string;
  /** The name of a product icon, and of its theme color. */
  icon: string;
  color?: string;
  /** Selects the menu items of the row: `viewItem` in package.json. */
  context: string;
  /** The command of a click, which gets the node as argument. */
  command?: string;
  /** Whether the children of the row are shown at first. */
  expanded?: boolean;
}

/** A node of the tree. */
export interface TreeNode {
  readonly row: Row;
  readonly children: TreeNode[];
}

/** The roots of a tree; `onChange` calls its listener when they must be read again. */
export interface TreeSource {
  roots(): Promise<TreeNode[]>;
  onChange(listener: () => void): void;
}

/** A choice in a list, with its value. */
export interface Choice<T> {
  label: string;
  description?: string;
  value: T;
}

/** An input box. */
export interface TextInput {
  title: string;
  prompt: string;
  value?: string;
  /** Returns the reason why a text is not accepted. */
  validate?: (text: string) => string | undefined;
  /** Called while the person types. */
  onChange?: (text: string) => void;
  /** The label of a button that leaves the box with `toEditor`. */
  editorButton?: string;
}

/** The result of an input box that was not dismissed. */
export type TextInputResult = { text: string } | { toEditor: string };

/** An open text file. */
export interface TextFile {
  /** Its URI. */
  readonly uri: string;
  /** Its name without folders. */
  readonly name: string;
  readonly language: string;
  readonly text: string;
  /** Whether it matches one of these glob patterns. */
  matches(globs: string[]): boolean;
}

/** A problem in a file. Line and column are from 1. */
export interface Problem {
  line: number;
  column: number;
  message: string;
}

/** A link above a line of a file, which is from 1. */
export interface Lens {
  line: number;
  title: string;
  command: string;
  argument?: string;
}

/** The links of files; `onChange` calls its listener when they must be read again. */
export interface LensSource {
  lenses(file: TextFile): Lens[];
  onChange(listener: () => void): void;
}

/** Files that exist only in this extension, under a URI scheme. Paths begin with `/`. */
export interface VirtualFiles {
  read(path: string): Promise<string>;
  write(path: string, text: string): Promise<void>;
}

/** The page of a webview: `render` returns its markup, `attach` connects it until `onClose` is called. */
export interface PageSource {
  title(id: string): string;
  attach(id: string, page: Page): void;
}

/** A visible webview. */
export interface Page {
  setTitle(title: string): void;
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}

/** An entry of a folder. A link is never followed. */
export interface FolderEntry {
  name: string;
  kind: "file" | "folder" | "link" | "other";
}

/**
 * The files of the workspace. Paths are separated by `/` and relative: to the folder that is open, or to a root that
 * has one entry for each folder if several are open. Callers check paths; see `agent/confined-files.ts`. Texts have
 * `\n` at the ends of lines, whatever the file has.
 */
export interface WorkspaceFiles {
  /** The same in all windows of a workspace; undefined if no folder is open. */
  readonly id: string | undefined;
  /** Tests whether settings of the editor exclude a path from views or from searches. It does not test the folders
   * above the path. */
  exclusions(): (path: string) => boolean;
  list(folder: string): Promise<FolderEntry[]>;
  /** The size of a file in bytes. */
  size(path: string): Promise<number>;
  /** The text as an open editor has it, else as it is stored. Fails if it is not valid text. */
  read(path: string): Promise<string>;
  /** Replaces the text of a file and saves it; false if its text is not `expected`. If `expected` is undefined the
   * file is created. */
  write(path: string, expected: string | undefined, text: string): Promise<boolean>;
  /** Shows how a virtual file differs from a file; without a path, from the virtual file `/empty` of its scheme. */
  showDifference(path: string | undefined, changed: { scheme: string; path: string }, title: string): Promise<void>;
  closeDifference(changed: { scheme: string; path: string }): Promise<void>;
}

/** A language model that the editor offers to extensions. */
export interface LanguageModel {
  id: string;
  name: string;
}

/** The language models of the editor. */
export interface LanguageModels {
  list(): Promise<LanguageModel[]>;
  /** Calls `listener` when models become available or unavailable. */
  onChange(listener: () => void): void;
  /** Sends a conversation, whose messages are in turn from the user and from the model. Fails if the model fails or if
   * `signal` is aborted. */
  ask(id: string, messages: string[], signal: AbortSignal): Promise<string>;
}

/** The settings in package.json. */
export interface Settings {
  answeredBy: string;
  programFiles: string[];
  finishedExecutions: number;
  storeFolder: string;
}

export interface Editor {
  /** Whether the person trusts the workspace. Without trust nothing may be changed. */
  readonly isTrusted: boolean;
  onTrusted(listener: () => void): void;
  onClose(listener: () => unknown): void;
  /** Resolves when the window answers. The host of a closed window may go on for hours, and waits here. */
  responds(): Promise<void>;
  /** The workspace or folder of the window; undefined in an empty window. */
  readonly project: { id: string; name: string } | undefined;
  /** The folder that the editor gives to this extension, a path on the desktop. */
  readonly storageFolder: string;
  readonly workspace: WorkspaceFiles;
  readonly models: LanguageModels;
  setting<K extends keyof Settings>(name: K): Settings[K];
  onSettingsChange(listener: () => void): void;
  /** Reads a file of this extension. */
  asset(path: string): Promise<Uint8Array>;

  log(level: "info" | "warn" | "error", message: string): void;
  showLog(): void;
  inform(message: string): void;
  warn(message: string): void;
  fail(message: string): void;
  /** Asks a question whose only answers are `action` and to dismiss it. */
  confirm(message: string, detail: string, action: string): Promise<boolean>;
  /** Offers actions without interrupting the person; undefined if the offer is dismissed. */
  offer(message: string, actions: string[]): Promise<string | undefined>;
  withProgress<T>(title: string, task: () => Promise<T>): Promise<T>;

  pick<T>(title: string, placeholder: string, choices: Choice<T>[]): Promise<Choice<T> | undefined>;
  input(input: TextInput): Promise<TextInputResult | undefined>;
  activeFile(): TextFile | undefined;
  openVirtualFile(scheme: string, path: string): Promise<void>;
  /** Saves the active virtual file of a scheme. Returns its path, and the text in the editor, also if that could not
   * be stored. */
  saveVirtualFile(scheme: string): Promise<{ path: string; text: string } | undefined>;
  closeVirtualFile(scheme: string, path: string): Promise<void>;
  saveAs(name: string, contents: Uint8Array): Promise<string | undefined>;
  /**
   * Writes a file into the folder of the active file and returns its path; undefined if that is not in a folder. An
   * existing file is replaced or kept.
   */
  writeBeside(name: string, contents: Uint8Array, existing: "replace" | "keep"): Promise<string | undefined>;
  /** The files below the folder of a file that a program may import, with their paths from there. */
  filesBeside(uri: string): Promise<{ path: string; source: string }[]>;
  /** Makes the editor's TypeScript service read its files anew. */
  reloadTypes(): Promise<void>;
  chooseFile(title: string): Promise<Uint8Array | undefined>;

  command(name: string, handler: (argument: unknown) => unknown): void;
  tree(view: string, source: TreeSource): void;
  status(text: string, tooltip: string, command: string): void;
  virtualFiles(scheme: string, files: VirtualFiles): void;
  virtualContents(scheme: string, read: (path: string) => Promise<string>): void;
  problems(uri: string, problems: Problem[]): void;
  onFileChange(listener: (file: TextFile) => void): void;
  onFileClose(listener: (uri: string) => void): void;
  lenses(source: LensSource): void;
  pages(kind: string, source: PageSource): void;
  showPage(kind: string, id: string): void;
}
