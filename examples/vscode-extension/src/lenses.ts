// The links above the entry of a program: "Run", and "Resume" where an execution of it waits or is paused. The link
// above an answer that is written in an editor: "Send".

import type { ExecutionSummary, Status } from "runstate";

import { ANSWER_SCHEME, type Answering } from "./answering.ts";
import type { Editor, Lens, TextFile } from "./editor.ts";
import { formatCoarseAge, oneLine } from "./format.ts";
import { entryLine, isProgram, programName } from "./programs.ts";
import { RUN_PAGE } from "./run-page.ts";
import type { Store } from "./store.ts";
import { STATUSES } from "./tree/executions.ts";

/** The statuses of an execution that a person can resume. */
const RESUMABLE: ReadonlySet<string> = new Set<Status>(["waiting_cc", "paused"]);

export class Lenses {
  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly answering: Answering,
  ) {
    editor.lenses({ lenses: (file) => this.#lenses(file), onChange: (listener) => this.#onResumableChange(listener) });
  }

  /** Resumes an execution of a program: shows its page, and asks its open question. With several executions the person
   * chooses. */
  async resume(program: unknown): Promise<void> {
    await this.store.refresh();
    const executions = this.#resumable().filter(({ programName: name }) => name === program);
    if (executions.length === 0) this.editor.inform("No execution of this program waits any more.");
    const execution = executions.length < 2 ? executions[0] : await this.#choose(executions);
    if (execution === undefined) return;
    this.editor.showPage(RUN_PAGE, execution.id);
    if (execution.status === "paused") await (await (await this.store.open()).run(execution.id)).unpause();
    await this.answering.answerNext(execution.id);
  }

  #lenses(file: TextFile): Lens[] {
    if (file.uri.startsWith(`${ANSWER_SCHEME}:`)) return [{ line: 1, title: "$(send) Send", command: "runstate.sendAnswer" }];
    if (!isProgram(file, this.editor.setting("programFiles"))) return [];
    const line = entryLine(file.text);
    const program = programName(file.name);
    const { length } = this.#resumable().filter(({ programName: name }) => name === program);
    const resume = { line, title: `$(debug-continue) Resume${length > 1 ? ` (${length})` : ""}`, command: "runstate.resumeProgram", argument: program };
    return [{ line, title: "$(play) Run", command: "runstate.run" }, ...(length > 0 ? [resume] : [])];
  }

  #resumable(): ExecutionSummary[] {
    return this.store.snapshot.executions.filter(({ status }) => RESUMABLE.has(status));
  }

  /** The editor draws all links anew at each call, so it is called only when the number of executions of a program
   * changes. */
  #onResumableChange(listener: () => void): void {
    let before = "";
    this.store.onChange(() => {
      const now = this.#resumable().map(({ programName: name }) => name).sort().join("\n");
      if (now !== before) listener();
      before = now;
    });
  }

  async #choose(executions: ExecutionSummary[]): Promise<ExecutionSummary | undefined> {
    const choices = executions.map((execution) => {
      const { id, status, started, prompt } = execution;
      const about = [STATUSES[status as Status].text, formatCoarseAge(Date.now() - started), id.slice(0, 8)].join(" · ");
      return { label: oneLine(prompt ?? "") || STATUSES[status as Status].text, description: about, value: execution };
    });
    return (await this.editor.pick("Resume an execution", "Choose an execution", choices))?.value;
  }
}
