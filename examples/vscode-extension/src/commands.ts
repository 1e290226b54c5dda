// The commands of the palette and of menus. Each command is sent once: its failure is shown, and nothing is repeated
// silently.

import type { ExecutionSummary, Json, Run, Status } from "runstate";

import type { Agents } from "./agent/agents.ts";
import type { Answering, Decision } from "./answering.ts";
import type { Choice, Editor, Problem, TextFile } from "./editor.ts";
import { count, formatCoarseAge } from "./format.ts";
import type { Lenses } from "./lenses.ts";
import { diagnosticsOf, filesOf, programName } from "./programs.ts";
import { registerCommand } from "./register-command.ts";
import { RUN_PAGE } from "./run-page.ts";
import { WINDOWS } from "./sessions/window-documents.ts";
import type { WindowSessions } from "./sessions/window-sessions.ts";
import type { Store } from "./store.ts";
import { CallNode } from "./tree/calls.ts";
import { ExecutionNode, STATUSES } from "./tree/executions.ts";

/** The statuses in which a command makes sense. */
const ACTIVE: Status[] = ["running", "waiting_cc", "paused"];
const ENDED: Status[] = ["complete", "error", "cancelled"];

/** The scheme of the example programs. */
const EXAMPLE_SCHEME = "runstate-example";

/** The extension continues what these documents hold: answers that were being sent, consents to edits, programs that
 * were being started. */
const CONTINUED = ["documents.answer_drafts", "documents.edit_decisions", WINDOWS];

const IMPORT_WARNING =
  "The file holds answers that were being sent, consents to edits, or programs that were being started, and this window continues them. Import it only if you trust its author.";

/** Each program may have a `main` of its own, and none has the globals of Node or of a page. */
const PROGRAM_TSCONFIG = {
  compilerOptions: { target: "es2022", lib: ["es2023"], module: "preserve", moduleDetection: "force", noEmit: true, types: [] },
  include: ["*.ts"],
};

export class Commands {
  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly answering: Answering,
    private readonly sessions: WindowSessions,
    agents: Agents,
    lenses: Lenses,
  ) {
    editor.virtualContents(EXAMPLE_SCHEME, async (path) => new TextDecoder().decode(await editor.asset(`programs${path}`)));
    this.#register("run", () => this.#runFile(false));
    this.#register("runWithInput", () => this.#runFile(true));
    this.#register("runAsCode", () => this.#runAsCode(agents));
    this.#register("answer", (node) => answering.answer(callOf(node)));
    this.#register("answerInEditor", (node) => this.#answerInEditor(callOf(node)));
    this.#register("approve", (node) => this.#decide(node, "approve"));
    this.#register("reject", (node) => this.#decide(node, "reject"));
    this.#register("sendAnswer", () => answering.sendActive());
    this.#register("askAgent", () => agents.ask());
    this.#register("reviewEdit", (node) => agents.reviewEdit(callOf(node)));
    this.#register("pause", this.#onExecution("Pause", ["running", "waiting_cc"], (run) => run.pause()));
    this.#register("resume", this.#onExecution("Resume", ["paused"], (run) => run.unpause()));
    this.#register("retry", this.#onExecution("Retry", ["error"], (run) => run.retry()));
    this.#register("cancel", this.#onExecution("Cancel", ACTIVE, (run) => run.cancel(), "It cannot be continued afterwards."));
    this.#register("delete", this.#onExecution("Delete", ENDED, (run) => run.delete(), "Its output, calls and variables are deleted."));
    this.#register("resumeProgram", (program) => lenses.resume(program));
    this.#register("show", (node) => this.#show(node), "any");
    this.#register("export", (node) => this.#export(node), "any");
    this.#register("import", () => this.#import());
    this.#register("verify", () => this.#verify(), "any");
    this.#register("refresh", () => store.refresh(), "any");
    this.#register("addTypes", () => this.#addTypes());
    this.#register("showLog", () => editor.showLog(), "any");
    this.#register("openExample", () => editor.openVirtualFile(EXAMPLE_SCHEME, "/trip.run.ts"), "any");
  }

  /** Registers a command. One that changes something needs a trusted workspace. */
  #register(name: string, handler: (argument: unknown) => unknown, trust: "trusted" | "any" = "trusted"): void {
    registerCommand(this.editor, name, handler, trust);
  }

  async #runFile(withInput: boolean): Promise<void> {
    const file = this.editor.activeFile();
    if (file === undefined) return this.editor.inform("Open a program first.");
    const name = programName(file.name);
    let input: Json | undefined;
    if (withInput) {
      const typed = await this.editor.input({ title: name, prompt: "The value of `input`, as JSON", validate: explainJson });
      if (typed === undefined || !("text" in typed)) return;
      input = JSON.parse(typed.text) as Json;
    }
    let run: Pick<Run, "id" | "status">;
    const files = await filesOf(this.editor, file);
    try {
      run = await this.sessions.runProgram(name, file.text, input, files);
      this.editor.problems(file.uri, []);
    } catch (error) {
      const problems = diagnosticsOf(error, files);
      if (problems === undefined) throw error;
      return this.#refuse(file, problems);
    }
    this.editor.log("info", `execution ${run.id} of ${name} was started: ${run.status}`);
    this.editor.showPage(RUN_PAGE, run.id);
    await this.answering.answerNext(run.id);
  }

  async #runAsCode(agents: Agents): Promise<void> {
    const file = this.editor.activeFile();
    if (file === undefined) return this.editor.inform("Open a script first.");
    const result = await agents.runScript(file.text);
    if ("problems" in result) return this.#refuse(file, result.problems);
    this.editor.problems(file.uri, []);
    this.editor.showPage(RUN_PAGE, result.run);
    await this.answering.answerNext(result.run);
  }

  /** Shows why a program does not compile. */
  #refuse(file: TextFile, problems: Problem[]): void {
    this.editor.problems(file.uri, problems);
    this.editor.fail(`${file.name} was not run: ${count(problems.length, "compile error")}, the first in line ${problems[0]?.line}.`);
  }

  /** A command on the execution of a node, or on one that the person chooses. `warning` asks for a confirmation. */
  #onExecution(verb: string, statuses: Status[], act: (run: Run) => Promise<unknown>, warning?: string): (node: unknown) => Promise<void> {
    return async (node) => {
      const execution = await this.#executionOf(node, `${verb} an execution`, statuses);
      if (execution === undefined) return;
      if (warning !== undefined && !(await this.editor.confirm(`${verb} this execution of “${execution.programName}”?`, warning, verb))) return;
      const rs = await this.store.open();
      await act(await rs.run(execution.id));
    };
  }

  async #answerInEditor(call: string | undefined): Promise<void> {
    if (call === undefined) return this.answering.answer();
    await this.answering.answerInEditor(call);
  }

  async #decide(node: unknown, decision: Decision): Promise<void> {
    const call = callOf(node);
    await (call === undefined ? this.answering.answer() : this.answering.decide(call, decision));
  }

  async #show(node: unknown): Promise<void> {
    const id = node instanceof CallNode ? node.call.executionId : (await this.#executionOf(node, "Show an execution"))?.id;
    if (id !== undefined) this.editor.showPage(RUN_PAGE, id);
  }

  async #export(node: unknown): Promise<void> {
    const rs = await this.store.open();
    const execution = node instanceof ExecutionNode ? node.execution : undefined;
    const contents = await this.editor.withProgress("Exporting…", () => rs.export({ execution: execution?.id }));
    const name = `${execution === undefined ? "runstate" : `${execution.programName}-${execution.id.slice(0, 8)}`}.jsonl`;
    const saved = await this.editor.saveAs(name, new Uint8Array(await contents.arrayBuffer()));
    if (saved !== undefined) this.editor.inform(`Exported to ${saved}.`);
  }

  /** Writes the declarations of a program's globals beside the active file, and a tsconfig.json by which the
   * TypeScript service finds them. */
  async #addTypes(): Promise<void> {
    const declarations = await this.editor.writeBeside("runstate.d.ts", await this.editor.asset("dist/runstate.d.ts"), "replace");
    if (declarations === undefined) return this.editor.inform("Open a program of a folder first.");
    await this.editor.writeBeside("tsconfig.json", new TextEncoder().encode(`${JSON.stringify(PROGRAM_TSCONFIG, null, 2)}\n`), "keep");
    await this.editor.reloadTypes();
    this.editor.inform(`The declarations are in ${declarations}.`);
  }

  async #import(): Promise<void> {
    const contents = await this.editor.chooseFile("Import");
    if (contents === undefined) return;
    const text = new TextDecoder().decode(contents);
    const isOfWindow = CONTINUED.some((collection) => text.includes(`"${collection}"`));
    if (isOfWindow && !(await this.editor.confirm("Import what other windows had begun?", IMPORT_WARNING, "Import"))) return;
    const rs = await this.store.open();
    const { written, alreadyPresent } = await this.editor.withProgress("Importing…", () => rs.import(contents));
    this.editor.inform(`Imported ${count(written, "document")}; ${alreadyPresent} were already present.`);
  }

  async #verify(): Promise<void> {
    const rs = await this.store.open();
    const { findings, omitted, documents } = await this.editor.withProgress("Verifying the storage…", () => rs.verify());
    for (const { severity, at, why } of findings) this.editor.log(severity === "damage" ? "error" : "warn", `${at}: ${why}`);
    const damage = findings.filter(({ severity }) => severity === "damage").length;
    if (damage > 0) return this.editor.fail(`The storage is damaged: ${count(damage + omitted, "finding")}. The log has the details.`);
    const rest = findings.length === 0 ? "" : ` ${count(findings.length, "harmless finding")} in the log.`;
    this.editor.inform(`The storage is intact: ${count(documents, "document")} checked.${rest}`);
  }

  /** The execution of a node; without one the person chooses among those with these statuses. */
  async #executionOf(node: unknown, title: string, statuses?: Status[]): Promise<ExecutionSummary | undefined> {
    if (node instanceof ExecutionNode) return node.execution;
    await this.store.refresh();
    const fitting = this.store.snapshot.executions.filter(({ status }) => statuses?.includes(status as Status) ?? true);
    if (fitting.length === 0) this.editor.inform("No execution has a status for this command.");
    if (fitting.length === 0) return undefined;
    return (await this.editor.pick(title, "Choose an execution", fitting.map(toChoice)))?.value;
  }
}

function toChoice(execution: ExecutionSummary): Choice<ExecutionSummary> {
  const { programName: label, status, started, prompt } = execution;
  const text = STATUSES[status as Status]?.text ?? status;
  const description = [text, formatCoarseAge(Date.now() - started), prompt].filter(Boolean).join(" · ");
  return { label, description, value: execution };
}

function callOf(node: unknown): string | undefined {
  return node instanceof CallNode ? node.call.id : typeof node === "string" ? node : undefined;
}

function explainJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

