// The editor interfaces over the `vscode` module. Only this file and `vscode-*.ts` import it.

import * as vscode from "vscode";

import type { Choice, Editor, Lens, LensSource, Page, PageSource, Problem, Row, Settings } from "./editor.ts";
import type { TextFile, TextInput, TextInputResult, TreeNode, TreeSource, VirtualFiles } from "./editor.ts";
import { ANSWER_SCHEME } from "./answering.ts";
import { startExtension } from "./extension.ts";
import { messageOf } from "./errors.ts";
import { runPageHtml } from "./run-page-html.ts";
import { checkSetting } from "./settings.ts";
import type { Host } from "./store.ts";
import { VsCodeLanguageModels } from "./vscode-language-models.ts";
import { VsCodeWorkspace } from "./vscode-workspace.ts";

/** The largest number of files of a program. */
const MAX_FILES = 1_000;

/** The exports of an extension on this host. */
export function extension(host: Host): { activate(context: vscode.ExtensionContext): void; deactivate(): Promise<void> } {
  let editor: VsCodeEditor | undefined;
  return {
    activate(context) {
      editor = new VsCodeEditor(context);
      startExtension(editor, host);
    },
    async deactivate() {
      await editor?.close();
    },
  };
}

class VsCodeEditor implements Editor {
  readonly #context: vscode.ExtensionContext;
  readonly #output = vscode.window.createOutputChannel("Runstate", { log: true });
  readonly #problems = vscode.languages.createDiagnosticCollection("runstate");
  readonly #status = vscode.window.createStatusBarItem("runstate.questions", vscode.StatusBarAlignment.Left, 10);
  readonly #panels = new Map<string, (id: string) => void>();
  readonly #closing: (() => unknown)[] = [];
  readonly workspace = new VsCodeWorkspace();
  readonly models = new VsCodeLanguageModels();

  constructor(context: vscode.ExtensionContext) {
    this.#context = context;
    this.#status.name = "Runstate questions";
    this.#keep(this.#output, this.#problems, this.#status, this.models);
  }

  #keep(...disposables: vscode.Disposable[]): void {
    this.#context.subscriptions.push(...disposables);
  }

  get isTrusted(): boolean {
    return vscode.workspace.isTrusted;
  }

  onTrusted(listener: () => void): void {
    this.#keep(vscode.workspace.onDidGrantWorkspaceTrust(listener));
  }

  onClose(listener: () => unknown): void {
    this.#closing.push(listener);
  }

  async responds(): Promise<void> {
    await vscode.commands.executeCommand("setContext", "runstate.responds", true);
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.map((listener) => listener()));
  }

  get project(): { id: string; name: string } | undefined {
    const { workspaceFile, workspaceFolders, name } = vscode.workspace;
    const uri = workspaceFile ?? workspaceFolders?.[0]?.uri;
    return uri && { id: uri.toString(), name: name ?? uri.path };
  }

  get storageFolder(): string {
    return vscode.Uri.joinPath(this.#context.globalStorageUri, "store").fsPath;
  }

  setting<K extends keyof Settings>(name: K): Settings[K] {
    return checkSetting(name, vscode.workspace.getConfiguration("runstate").get(name));
  }

  onSettingsChange(listener: () => void): void {
    this.#keep(vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("runstate") && listener()));
  }

  async asset(path: string): Promise<Uint8Array> {
    return vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.#context.extensionUri, path));
  }

  log(level: "info" | "warn" | "error", message: string): void {
    this.#output[level](message);
  }

  showLog(): void {
    this.#output.show();
  }

  inform(message: string): void {
    void vscode.window.showInformationMessage(withoutLinks(message));
  }

  warn(message: string): void {
    void vscode.window.showWarningMessage(withoutLinks(message));
  }

  fail(message: string): void {
    void vscode.window.showErrorMessage(withoutLinks(message), "Show Log").then((action) => action && this.showLog());
  }

  async confirm(message: string, detail: string, action: string): Promise<boolean> {
    return (await vscode.window.showWarningMessage(message, { modal: true, detail }, action)) === action;
  }

  async offer(message: string, actions: string[]): Promise<string | undefined> {
    return vscode.window.showInformationMessage(withoutLinks(message), ...actions);
  }

  async withProgress<T>(title: string, task: () => Promise<T>): Promise<T> {
    return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, task);
  }

  async pick<T>(title: string, placeHolder: string, choices: Choice<T>[]): Promise<Choice<T> | undefined> {
    return vscode.window.showQuickPick(choices, { title, placeHolder, matchOnDescription: true, ignoreFocusOut: true });
  }

  input({ title, prompt, value, validate, onChange, editorButton }: TextInput): Promise<TextInputResult | undefined> {
    const box = vscode.window.createInputBox();
    // The cursor is behind the draft, so that typing continues it.
    const end = value?.length ?? 0;
    Object.assign(box, { title, prompt: withoutLinks(prompt), value: value ?? "", valueSelection: [end, end], ignoreFocusOut: true });
    if (editorButton !== undefined) box.buttons = [{ iconPath: new vscode.ThemeIcon("edit"), tooltip: editorButton }];
    return new Promise((resolve) => {
      const leave = (result?: TextInputResult) => {
        resolve(result);
        box.dispose();
      };
      box.onDidChangeValue((text) => {
        box.validationMessage = undefined;
        onChange?.(text);
      });
      box.onDidAccept(() => {
        const problem = validate?.(box.value);
        box.validationMessage = problem && withoutLinks(problem);
        if (box.validationMessage === undefined) leave({ text: box.value });
      });
      box.onDidTriggerButton(() => leave({ toEditor: box.value }));
      box.onDidHide(() => leave());
      box.show();
    });
  }

  activeFile(): TextFile | undefined {
    const document = vscode.window.activeTextEditor?.document;
    return document && toFile(document);
  }

  async openVirtualFile(scheme: string, path: string): Promise<void> {
    const { activeTabGroup, all } = vscode.window.tabGroups;
    // A file does not cover the page of an execution.
    const isPage = activeTabGroup.activeTab?.input instanceof vscode.TabInputWebview;
    const other = all.find((group) => group !== activeTabGroup)?.viewColumn ?? vscode.ViewColumn.Beside;
    await vscode.window.showTextDocument(vscode.Uri.from({ scheme, path }), { preview: false, viewColumn: isPage ? other : undefined });
  }

  async saveVirtualFile(scheme: string): Promise<{ path: string; text: string } | undefined> {
    const document = vscode.window.activeTextEditor?.document;
    if (document?.uri.scheme !== scheme) return undefined;
    const text = document.getText();
    if (!(await document.save())) this.log("warn", `${document.uri.path} was not stored`);
    return { path: document.uri.path, text };
  }

  async closeVirtualFile(scheme: string, path: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme, path }).toString();
    const tabs = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);
    await vscode.window.tabGroups.close(tabs.filter(({ input }) => input instanceof vscode.TabInputText && input.uri.toString() === uri));
  }

  async saveAs(name: string, contents: Uint8Array): Promise<string | undefined> {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? this.#context.globalStorageUri;
    const uri = await vscode.window.showSaveDialog({ defaultUri: vscode.Uri.joinPath(folder, name), filters: { "Runstate export": ["jsonl"] } });
    if (uri === undefined) return undefined;
    await vscode.workspace.fs.writeFile(uri, contents);
    return vscode.workspace.asRelativePath(uri);
  }

  async writeBeside(name: string, contents: Uint8Array, existing: "replace" | "keep"): Promise<string | undefined> {
    const uri = vscode.window.activeTextEditor?.document.uri;
    if (uri === undefined || vscode.workspace.fs.isWritableFileSystem(uri.scheme) !== true) return undefined;
    const beside = vscode.Uri.joinPath(uri, "..", name);
    const exists = existing === "keep" && (await vscode.workspace.fs.stat(beside).then(() => true, () => false));
    if (!exists) await vscode.workspace.fs.writeFile(beside, contents);
    return vscode.workspace.asRelativePath(beside);
  }

  async filesBeside(uri: string): Promise<{ path: string; source: string }[]> {
    const folder = vscode.Uri.joinPath(vscode.Uri.parse(uri), "..");
    const pattern = new vscode.RelativePattern(folder, "**/*.{ts,mts,js,mjs,json}");
    const found = await vscode.workspace.findFiles(pattern, "**/{node_modules,.*}/**", MAX_FILES);
    const open = new Map(vscode.workspace.textDocuments.map((document) => [document.uri.toString(), document.getText()]));
    const read = async (file: vscode.Uri) => ({
      path: file.path.slice(folder.path.length).replace(/^\//, ""),
      source: open.get(file.toString()) ?? new TextDecoder().decode(await vscode.workspace.fs.readFile(file)),
    });
    return Promise.all(found.filter((file) => file.toString() !== uri).map(read));
  }

  async reloadTypes(): Promise<void> {
    const { commands } = vscode;
    // The extension for TypeScript may be turned off.
    if ((await commands.getCommands()).includes("typescript.restartTsServer")) await commands.executeCommand("typescript.restartTsServer");
  }

  async chooseFile(title: string): Promise<Uint8Array | undefined> {
    const [uri] = (await vscode.window.showOpenDialog({ title, filters: { "Runstate export": ["jsonl"] } })) ?? [];
    return uri && vscode.workspace.fs.readFile(uri);
  }

  command(name: string, handler: (argument: unknown) => unknown): void {
    this.#keep(vscode.commands.registerCommand(name, handler));
  }

  tree(view: string, source: TreeSource): void {
    const changes = new vscode.EventEmitter<void>();
    source.onChange(() => changes.fire());
    const provider: vscode.TreeDataProvider<TreeNode> = {
      onDidChangeTreeData: changes.event,
      getChildren: async (node) => {
        if (node !== undefined) return node.children;
        const roots = await source.roots();
        // The welcome of an empty tree needs it, because the editor also shows that of a tree whose host has died.
        void vscode.commands.executeCommand("setContext", "runstate.empty", roots.length === 0);
        return roots;
      },
      getTreeItem: (node) => toTreeItem(node),
    };
    this.#keep(changes, vscode.window.createTreeView(view, { treeDataProvider: provider }));
  }

  status(text: string, tooltip: string, command: string): void {
    Object.assign(this.#status, { text, tooltip, command });
    this.#status.show();
  }

  virtualFiles(scheme: string, files: VirtualFiles): void {
    const changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
    const provider: vscode.FileSystemProvider = {
      onDidChangeFile: changes.event,
      watch: () => new vscode.Disposable(() => {}),
      stat: async ({ path }) => ({ type: vscode.FileType.File, ctime: 0, mtime: 0, size: (await files.read(path).catch(missing)).length }),
      readFile: async ({ path }) => new TextEncoder().encode(await files.read(path).catch(missing)),
      writeFile: async (uri, contents) => {
        await files.write(uri.path, new TextDecoder().decode(contents)).catch(forbidden);
        changes.fire([{ type: vscode.FileChangeType.Changed, uri }]);
      },
      readDirectory: () => [],
      createDirectory: refuse,
      delete: refuse,
      rename: refuse,
    };
    this.#keep(changes, vscode.workspace.registerFileSystemProvider(scheme, provider));
  }

  virtualContents(scheme: string, read: (path: string) => Promise<string>): void {
    const provider = { provideTextDocumentContent: ({ path }: vscode.Uri) => read(path) };
    this.#keep(vscode.workspace.registerTextDocumentContentProvider(scheme, provider));
  }

  problems(uri: string, problems: Problem[]): void {
    const parsed = vscode.Uri.parse(uri);
    const document = vscode.workspace.textDocuments.find((open) => open.uri.toString() === parsed.toString());
    const diagnostics = problems.map(({ line, column, message }) => {
      const start = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
      const word = document?.getWordRangeAtPosition(start) ?? new vscode.Range(start, start.translate(0, 1));
      return Object.assign(new vscode.Diagnostic(word, message), { source: "runstate" });
    });
    this.#problems.set(parsed, diagnostics);
  }

  onFileChange(listener: (file: TextFile) => void): void {
    const report = (document: vscode.TextDocument) => listener(toFile(document));
    vscode.workspace.textDocuments.forEach(report);
    this.#keep(
      vscode.workspace.onDidOpenTextDocument(report),
      vscode.workspace.onDidChangeTextDocument(({ document }) => report(document)),
    );
  }

  onFileClose(listener: (uri: string) => void): void {
    this.#keep(vscode.workspace.onDidCloseTextDocument(({ uri }) => listener(uri.toString())));
  }

  lenses(source: LensSource): void {
    const changes = new vscode.EventEmitter<void>();
    source.onChange(() => changes.fire());
    const toLens = ({ line, title, command, argument }: Lens) =>
      new vscode.CodeLens(new vscode.Range(line - 1, 0, line - 1, 0), { title, command, arguments: argument === undefined ? [] : [argument] });
    const provider: vscode.CodeLensProvider = {
      onDidChangeCodeLenses: changes.event,
      provideCodeLenses: (document) => source.lenses(toFile(document)).map(toLens),
    };
    this.#keep(changes, vscode.languages.registerCodeLensProvider([{ language: "typescript" }, { language: "javascript" }, { scheme: ANSWER_SCHEME }], provider));
  }

  pages(kind: string, source: PageSource): void {
    const open = new Map<string, vscode.WebviewPanel>();
    const states = new Map<string, unknown>();
    const key = `pages ${kind}`;
    const remember = () => this.#context.workspaceState.update(key, [...states]);
    const media = vscode.Uri.joinPath(this.#context.extensionUri, "media");
    const options = { enableScripts: true, localResourceRoots: [media] };
    const show = (id: string, state: unknown, restored?: vscode.WebviewPanel) => {
      const shown = open.get(id);
      if (shown !== undefined) {
        restored?.dispose();
        return shown.reveal(undefined, true);
      }
      const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
      const panel = restored ?? vscode.window.createWebviewPanel(kind, source.title(id), column, options);
      open.set(id, panel);
      const keep = (kept: unknown) => {
        states.set(id, kept);
        remember();
      };
      keep(state);
      panel.webview.onDidReceiveMessage(({ type, state: kept }) => type === "state" && keep(kept));
      panel.webview.options = options;
      panel.iconPath = vscode.Uri.joinPath(media, "runstate-tab.svg");
      let isOpen = true;
      // A panel that is closed while its page is read refuses both.
      const page: Page = {
        setTitle: (title) => void (isOpen && (panel.title = title)),
        send: (message) => void (isOpen && panel.webview.postMessage(message)),
        onMessage: (listener) => void panel.webview.onDidReceiveMessage(listener),
        onClose: (listener) => void panel.onDidDispose(listener),
      };
      page.onClose(() => {
        isOpen = false;
        open.delete(id);
        states.delete(id);
        remember();
      });
      source.attach(id, page);
      const uriOf = (name: string) => panel.webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString();
      panel.webview.html = runPageHtml({ id, state, script: uriOf("run-page.js"), style: uriOf("run-page.css"), origin: panel.webview.cspSource });
    };
    this.#panels.set(kind, (id) => show(id, null));
    const serializer: vscode.WebviewPanelSerializer = {
      async deserializeWebviewPanel(panel, shown: { id?: string; state?: unknown } | undefined) {
        if (shown?.id === undefined) panel.dispose();
        else show(shown.id, shown.state ?? null, panel);
      },
    };
    this.#keep(vscode.window.registerWebviewPanelSerializer(kind, serializer));
    // The pages of a host that was killed stay open and show old data; nothing connects them to another host. Those of
    // a window that was reloaded look the same, so what a person chose on a page is kept here.
    const left = this.#context.workspaceState.get<[string, unknown][]>(key, []);
    if (left.length > 0) void closePages(kind).then(() => left.forEach(([id, state]) => show(id, state)));
    this.onClose(() => this.#context.workspaceState.update(key, []));
  }

  showPage(kind: string, id: string): void {
    this.#panels.get(kind)?.(id);
  }
}

/** Closes all pages of a kind, also those that this host has not made. */
async function closePages(kind: string): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  await vscode.window.tabGroups.close(tabs.filter(({ input }) => input instanceof vscode.TabInputWebview && input.viewType.endsWith(kind)), true);
}

function toFile(document: vscode.TextDocument): TextFile {
  return {
    uri: document.uri.toString(),
    name: document.uri.path.split("/").at(-1) ?? "",
    language: document.languageId,
    // Read when it is asked for, because the document may change meanwhile.
    get text() {
      return document.getText();
    },
    matches: (globs) => globs.some((pattern) => vscode.languages.match({ pattern }, document) > 0),
  };
}

function toTreeItem(node: TreeNode): vscode.TreeItem {
  const { id, label, description, tooltip, icon, color, context, command, expanded }: Row = node.row;
  const { None, Expanded, Collapsed } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(label, node.children.length === 0 ? None : expanded === true ? Expanded : Collapsed);
  const iconPath = new vscode.ThemeIcon(icon, color === undefined ? undefined : new vscode.ThemeColor(color));
  // An item that gets its first children would stay collapsed, so it becomes another item.
  Object.assign(item, { id: node.children.length === 0 ? `${id} leaf` : id, description, iconPath, contextValue: context });
  // Not Markdown: a prompt could name an image, which would be fetched.
  if (tooltip !== undefined) item.tooltip = tooltip;
  if (command !== undefined) item.command = { command, title: label, arguments: [node] };
  return item;
}

/** Messages show links, also those in the prompts and answers that they name. Such a link could run a command. */
function withoutLinks(message: string): string {
  return message.replaceAll("](", "] (");
}

function missing(error: unknown): never {
  throw vscode.FileSystemError.FileNotFound(messageOf(error));
}

function forbidden(error: unknown): never {
  throw vscode.FileSystemError.NoPermissions(messageOf(error));
}

function refuse(): never {
  throw vscode.FileSystemError.NoPermissions("answers cannot be moved or deleted");
}
