// Puts the parts together.

import type { Session } from "runstate/sessions";

import { Agents } from "./agent/agents.ts";
import { AnswerDiagnostics } from "./answer-diagnostics.ts";
import { Answering } from "./answering.ts";
import { Commands } from "./commands.ts";
import { Drafts } from "./drafts.ts";
import type { Editor, Row, TreeNode, TreeSource } from "./editor.ts";
import { detailOf } from "./errors.ts";
import { count } from "./format.ts";
import { Lenses } from "./lenses.ts";
import { LanguageHelp } from "./programs.ts";
import { RunPages } from "./run-page.ts";
import { SessionCommands } from "./sessions/session-commands.ts";
import { SESSION_TIMING, type SessionTiming, WindowSessions } from "./sessions/window-sessions.ts";
import { type Host, Store } from "./store.ts";
import { CallsLevel } from "./tree/calls.ts";
import { ExecutionsLevel } from "./tree/executions.ts";
import type { Level } from "./tree/level.ts";
import { SessionsLevel } from "./tree/sessions.ts";
import { TasksLevel } from "./tree/tasks.ts";

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

/** The number of documents that the rows below it lack. */
class DamageNode implements TreeNode {
  readonly children: TreeNode[] = [];
  readonly row: Row;

  constructor(damaged: string[]) {
    const ids = [...new Set(damaged)];
    const label = `Not shown: ${count(ids.length, "damaged document")}`;
    this.row = { id: "damage", context: "damage", label, tooltip: ids.join("\n\n"), icon: "warning", color: "charts.red" };
  }
}

/** The tree: the nodes of its topmost levels, one after the other. */
class Tree implements TreeSource {
  constructor(
    private readonly store: Store,
    private readonly agents: Agents,
    private readonly levels: Level[],
  ) {}

  async roots(): Promise<TreeNode[]> {
    // Until then it is not known whether the tree is empty.
    await this.store.wasRead;
    return this.#nodes();
  }

  /** Heartbeats change the snapshot and no row. They are not reported, because a click during a refresh may be lost. */
  onChange(listener: () => void): void {
    let shown: string | undefined;
    const report = () => {
      const rows = JSON.stringify(this.#nodes().map(rowsOf));
      if (rows !== shown) listener();
      shown = rows;
    };
    this.store.onChange(report);
    this.agents.onChange(report);
    setInterval(report, AGE_MS).unref?.();
  }

  #nodes(): TreeNode[] {
    const { snapshot, failure } = this.store;
    const nodes = this.levels.flatMap((level) => level.nodes(snapshot));
    if (snapshot.damaged.length > 0) nodes.unshift(new DamageNode(snapshot.damaged));
    return failure === undefined ? nodes : [new FailureNode(failure), ...nodes];
  }
}

function rowsOf({ row, children }: TreeNode): object {
  return [row, children.map(rowsOf)];
}

/** Starts the extension. It does not wait for the store, so that activation is quick. */
export function startExtension(editor: Editor, host: Host, timing: SessionTiming = SESSION_TIMING): Store {
  const store = new Store(editor, host);
  const sessions = new WindowSessions(editor, store, host.hostname, timing);
  const drafts = new Drafts(() => store.open());
  const answering = new Answering(editor, store, drafts);
  const agents = new Agents(editor, store, answering, sessions, timing.presenceMs);
  new Commands(editor, store, answering, sessions, agents, new Lenses(editor, store, answering));
  new SessionCommands(editor, store, sessions);
  new LanguageHelp(editor, store);
  new AnswerDiagnostics(editor, store);
  new RunPages(editor, store, answering, (call) => agents.reviewEdit(call));
  const executions = new ExecutionsLevel(new CallsLevel(Date.now, () => agents.edits), Date.now, (id) => agents.noteOf(id));
  const isMine = (session: Session) => sessions.epochOf(session) !== undefined;
  const levels = [new SessionsLevel(new TasksLevel(executions, Date.now), isMine, Date.now), executions];
  editor.tree("runstate.executions", new Tree(store, agents, levels));
  const show = () => showCount(editor, store, agents.edits.length);
  store.onChange(show);
  agents.onChange(show);
  show();
  editor.onSettingsChange(() => void store.refresh().catch(() => {}));
  editor.onClose(() => Promise.allSettled([sessions.close(), agents.close()]).finally(() => store.close()));
  editor.onTrusted(() => void store.reopen().then(() => resume(editor, answering, sessions, agents)));
  void store.follow();
  if (editor.isTrusted) void resume(editor, answering, sessions, agents);
  return store;
}

async function resume(editor: Editor, answering: Answering, sessions: WindowSessions, agents: Agents): Promise<void> {
  sessions.start();
  agents.start();
  await answering.resume().catch((error: unknown) => editor.log("warn", `unsent answers were not read: ${detailOf(error)}`));
}

/** Shows in the status bar how much waits for the person. */
function showCount(editor: Editor, { snapshot: { waiting }, failure }: Store, edits: number): void {
  if (failure !== undefined) return editor.status("$(warning) Runstate", `Runstate: ${failure}`, "runstate.showLog");
  const approvals = waiting.filter(({ waitsFor }) => waitsFor === "approval").length;
  const parts = [
    waiting.length > approvals && count(waiting.length - approvals, "open question"),
    approvals > 0 && `${count(approvals, "call")} waiting for your approval`,
    edits > 0 && `${count(edits, "edit")} waiting for your consent`,
  ].filter(Boolean);
  const text = [waiting.length === 0 ? "$(comment)" : `$(comment-unresolved) ${waiting.length}`, edits > 0 && `$(edit) ${edits}`];
  const command = waiting.length === 0 && edits > 0 ? "runstate.reviewEdit" : "runstate.answer";
  editor.status(text.filter(Boolean).join(" "), `Runstate: ${parts.join(", ") || "nothing waits for you"}`, command);
}
