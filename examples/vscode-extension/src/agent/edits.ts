// The tool that edits a file. It shows the change and asks the person. An edit replaces a text that occurs exactly
// once, so it applies to nothing but the text that was shown.

import type { CallView, Json, Task } from "runstate";

import type { Editor } from "../editor.ts";
import { codeOf, detailOf, messageOf } from "../errors.ts";
import type { Store } from "../store.ts";
import { ConfinedFiles, FILE_BYTES, ToolRefusal } from "./confined-files.ts";
import { EditDecisions, digestOf } from "./edit-decisions.ts";
import { type ToolArguments, text } from "./tools.ts";

/** The scheme of the virtual documents with changed texts: `/CALL/NAME`. */
export const EDIT_SCHEME = "runstate-edit";

const APPLY = "Apply";
const REFUSE = "Refuse";

interface Edit {
  path: string;
  oldText: string;
  newText: string;
}

const REFUSED = { applied: false, reason: "the person refused the edit" };

export class EditTool {
  readonly #decisions: EditDecisions;
  /** The edits that wait for the person in this window, by call, with what asks about them. */
  readonly #asking = new Map<string, { call: CallView; ask: () => void }>();

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly files: ConfinedFiles,
    private readonly onChange: () => void,
  ) {
    this.#decisions = new EditDecisions(() => store.open());
    editor.virtualContents(EDIT_SCHEME, (path) => this.#changedText(path));
  }

  /** The calls whose edits wait for the person in this window. */
  get waiting(): CallView[] {
    return [...this.#asking.values()].map(({ call }) => call);
  }

  /** `{ path, oldText, newText }` → `{ applied, reason? }`. An empty `oldText` creates a file. May be repeated at any
   * point. */
  async apply(args: ToolArguments, { call, execution, signal }: Pick<Task, "call" | "execution" | "signal">): Promise<Json> {
    const edit = toEdit(args);
    const current = await this.files.find(edit.path);
    const digest = await digestOf(current);
    let decision = await this.#decisions.get(call.id);
    if (decision === undefined) {
      const after = changed(current, edit);
      const applies = await this.#ask(call, edit, current !== undefined, signal);
      decision = await this.#decisions.decide({ call: call.id, execution, applies, before: digest, after: await digestOf(after) });
    }
    if (!decision.applies) return REFUSED;
    const isApplied = digest === decision.after;
    if (!isApplied && digest !== decision.before) return conflict(edit);
    // An edit that is in an editor and not yet in the file is saved.
    const after = isApplied ? (current ?? "") : changed(current, edit);
    const isWritten = await this.editor.workspace.write(edit.path, current, after);
    return isWritten ? { applied: true } : conflict(edit);
  }

  /** Asks again about an edit, whose question the person had dismissed; without a call, about the first one. */
  review(call?: string): void {
    const waiting = call === undefined ? this.#asking.values().next().value : this.#asking.get(call);
    if (waiting === undefined) this.editor.inform("This window does not ask about that edit. Another window does, or it was decided.");
    waiting?.ask();
  }

  /** Shows the edit until the person decides. A dismissed question stays open, and `review` asks it again. So does one
   * that could not be asked: no failure is a decision of the person. */
  async #ask(call: CallView, edit: Edit, exists: boolean, signal: AbortSignal): Promise<boolean> {
    const name = edit.path.split("/").at(-1) ?? edit.path;
    const shown = { scheme: EDIT_SCHEME, path: `/${call.id}/${name}` };
    try {
      return await new Promise((resolve, reject) => {
        const abort = () => reject(signal.reason);
        if (signal.aborted) return abort();
        signal.addEventListener("abort", abort, { once: true });
        const log = (error: unknown) => this.editor.log("warn", `the question about ${edit.path} was interrupted: ${detailOf(error)}`);
        const ask = async () => {
          // An edit that cannot be shown can be refused.
          const difference = this.editor.workspace.showDifference(exists ? edit.path : undefined, shown, `${name} (proposed edit)`);
          await difference.catch(log);
          const answer = await this.editor.offer(`An agent wants to ${exists ? "edit" : "create"} ${edit.path}.`, [APPLY, REFUSE]);
          if (answer !== undefined) resolve(answer === APPLY);
        };
        const start = () => void ask().catch(log);
        this.#asking.set(call.id, { call, ask: start });
        this.onChange();
        start();
      });
    } finally {
      this.#asking.delete(call.id);
      this.onChange();
      await this.editor.workspace.closeDifference(shown);
    }
  }

  /** The text that an open edit proposes. */
  async #changedText(path: string): Promise<string> {
    const [, id, name] = path.split("/");
    if (id === undefined || name === undefined) return "";
    try {
      const rs = await this.store.open();
      const { args } = await rs.call("cvm.call", { id });
      const edit = toEdit(args as ToolArguments);
      return changed(await this.files.find(edit.path), edit);
    } catch (error) {
      // The tab of an edit that is decided may be restored with its window.
      if (error instanceof ToolRefusal || codeOf(error) === "not_found") return `This edit is not open: ${messageOf(error)}.\n`;
      throw error;
    }
  }
}

function toEdit(args: ToolArguments): Edit {
  const { oldText = "", newText } = args;
  if (typeof oldText !== "string" || typeof newText !== "string") throw new ToolRefusal("`oldText` and `newText` must be texts");
  if (oldText.length + newText.length > FILE_BYTES) throw new ToolRefusal(`the edit is too large; at most ${FILE_BYTES} characters are allowed`);
  return { path: text(args, "path"), oldText: oldText.replaceAll("\r\n", "\n"), newText: newText.replaceAll("\r\n", "\n") };
}

/** The text after an edit. */
function changed(current: string | undefined, { path, oldText, newText }: Edit): string {
  if (current === undefined) {
    if (oldText !== "") throw new ToolRefusal(`"${path}" does not exist; only an edit with an empty \`oldText\` creates a file`);
    return newText;
  }
  if (oldText === "") throw new ToolRefusal(`"${path}" exists already; \`oldText\` must be a text of it`);
  const first = current.indexOf(oldText);
  if (first === -1) throw new ToolRefusal(`\`oldText\` does not occur in "${path}"; it must be copied exactly`);
  if (current.indexOf(oldText, first + 1) !== -1) throw new ToolRefusal(`\`oldText\` occurs more than once in "${path}"; add lines around it`);
  return current.slice(0, first) + newText + current.slice(first + oldText.length);
}

function conflict({ path }: Edit): Json {
  return { applied: false, reason: `the person approved the edit, but "${path}" was changed by something else meanwhile; read it again` };
}
