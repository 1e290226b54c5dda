// Puts the parts together.

import { Answering } from "./answering.ts";
import { Commands } from "./commands.ts";
import { Drafts } from "./drafts.ts";
import type { Editor, Row, TreeNode, TreeSource } from "./editor.ts";
import { messageOf } from "./errors.ts";
import { count } from "./format.ts";
import { LanguageHelp } from "./programs.ts";
import { RunPages } from "./run-page.ts";
import { type Host, Store } from "./store.ts";
import { CallsLevel } from "./tree/calls.ts";
import { ExecutionsLevel } from "./tree/executions.ts";
import type { Level } from "./tree/level.ts";

/** How often the ages in the tree are written anew, in milliseconds. */
const AGE_MS = 60_000;

/** The reason why the rows below it may be old. */
class FailureNode implements TreeNode {
  readonly children: TreeNode[] = [];
  readonly row: Row;

  constructor(failure: string) {
    const shown = { label: "The store cannot be read", description: failure, tooltip: failure, icon: "warning", color: "charts.red" };
    this.row = { id: "failure", context: "failure", command: "runstate.showLog", ...shown };
  }
}

/** The tree: the nodes of its topmost levels, one after the other. */
class Tree implements TreeSource {
  constructor(
    private readonly store: Store,
    private readonly levels: Level[],
  ) {}

  async roots(): Promise<TreeNode[]> {
    const { snapshot, failure } = this.store;
    const nodes = this.levels.flatMap((level) => level.nodes(snapshot));
    return failure === undefined ? nodes : [new FailureNode(failure), ...nodes];
  }

  onChange(listener: () => void): void {
    this.store.onChange(listener);
    setInterval(listener, AGE_MS).unref?.();
  }
}

/** Starts the extension. It does not wait for the store, so that activation is quick. */
export function startExtension(editor: Editor, host: Host): Store {
  const store = new Store(editor, host);
  const drafts = new Drafts(() => store.open());
  const answering = new Answering(editor, store, drafts);
  new Commands(editor, store, answering);
  new LanguageHelp(editor, store);
  new RunPages(editor, store, answering);
  editor.tree("runstate.executions", new Tree(store, [new ExecutionsLevel(new CallsLevel(Date.now), Date.now)]));
  store.onChange(() => showCount(editor, store));
  showCount(editor, store);
  editor.onSettingsChange(() => void store.refresh().catch(() => {}));
  editor.onClose(() => store.close());
  editor.onTrusted(() => void store.reopen().then(() => resume(editor, answering)));
  void store.follow();
  if (editor.isTrusted) void resume(editor, answering);
  return store;
}

async function resume(editor: Editor, answering: Answering): Promise<void> {
  await answering.resume().catch((error: unknown) => editor.log("warn", `unsent answers were not read: ${messageOf(error)}`));
}

function showCount(editor: Editor, store: Store): void {
  const open = store.snapshot.calls.filter(({ kind }) => kind === "cc").length;
  if (store.failure !== undefined) return editor.status("$(warning) Runstate", `Runstate: ${store.failure}`, "runstate.showLog");
  const text = open === 0 ? "$(comment)" : `$(comment-unresolved) ${open}`;
  editor.status(text, open === 0 ? "Runstate: no open questions" : `Runstate: ${count(open, "open question")}`, "runstate.answer");
}
