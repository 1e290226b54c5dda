// Answering calls: asks the person in the form that suits the call, keeps drafts, and sends the answer once. A call of
// a tool that awaits an approval is approved or rejected.

import type { CallView, Json } from "runstate";

import { SCHEMA_SCHEME, editorSchema, formOf, parseAnswer, template, usesJsonEditor } from "./answer-form.ts";
import type { Draft, Drafts } from "./drafts.ts";
import type { Choice, Editor, VirtualFiles } from "./editor.ts";
import { codeOf, detailOf, messageOf } from "./errors.ts";
import { callText, oneLine, programText } from "./format.ts";
import { problemIn } from "./json-pointer.ts";
import type { Store } from "./store.ts";

/** The scheme of the virtual files in which answers are written: `/CALL/NAME`. */
export const ANSWER_SCHEME = "runstate-answer";

/** How long typing in an input box rests before its draft is stored, in milliseconds. */
const DRAFT_DELAY_MS = 300;

/** The longest title of an input box, in characters. A longer one would hide the box. */
const TITLE_LENGTH = 300;

/** The errors of an answer to a call that is not open. */
const CLOSED: ReadonlySet<string> = new Set(["already_answered", "deadline_passed", "illegal_transition", "not_found"]);

/** A decision on a call that awaits an approval. */
export type Decision = "approve" | "reject";

const DECISIONS: Choice<Decision>[] = [
  { label: "Approve", description: "the tool runs with these arguments", value: "approve" },
  { label: "Reject…", description: "the program gets an error", value: "reject" },
];

const REVIEW = "Review…";

export class Answering implements VirtualFiles {
  /** Calls that were made earlier are not announced. */
  readonly #since = Date.now();

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly drafts: Drafts,
  ) {
    editor.virtualFiles(ANSWER_SCHEME, this);
    store.onWaiting((call) => void this.#announce(call).catch((error: unknown) => editor.fail(messageOf(error))));
    editor.virtualContents(SCHEMA_SCHEME, async (path) => JSON.stringify(editorSchema(await this.#read(path.slice(1, -".json".length)))));
  }

  /** Asks the person for the answer of an open call, or for the decision on it; without an id, of one that the person
   * chooses. */
  async answer(id?: string): Promise<void> {
    const call = id === undefined ? await this.#choose() : await this.#readOpen(id);
    if (call === undefined) return;
    if (call.waitsFor === "approval") return this.decide(call.id);
    const form = formOf(call);
    const title = oneLine(call.prompt, TITLE_LENGTH) || call.kind;
    const prompt = `The answer for ${call.programName}`;
    if (form.kind === "json") return this.answerInEditor(call.id);
    if (form.kind === "choices") {
      const choice = await this.editor.pick(title, prompt, form.choices);
      if (choice !== undefined) await this.#sendAndContinue(call, choice.value, choice.label);
      return;
    }
    const draft = await this.drafts.get(call.id);
    // A box has one line: it would join those of the draft.
    if (draft?.text.includes("\n")) return this.answerInEditor(call.id);
    const writer = new DraftWriter((text) => this.drafts.save({ call: call.id, execution: call.executionId, text }));
    const editorButton = usesJsonEditor(call) ? undefined : "Continue in an editor";
    const validate = (text: string) => explain(() => form.parse(text));
    // A text that was not accepted is shown again: a store that cannot be written keeps no draft.
    for (let value = draft?.text, isAccepted = false; !isAccepted; ) {
      const result = await this.editor.input({ title, prompt, value, validate, onChange: (text) => writer.write(text), editorButton });
      await writer.flush().catch((error: unknown) => this.editor.log("warn", `a draft was not stored: ${detailOf(error)}`));
      if (result === undefined) return;
      if ("toEditor" in result) return this.answerInEditor(call.id);
      value = result.text;
      isAccepted = await this.#sendAndContinue(call, form.parse(value), value);
    }
  }

  /** Asks the next question of an execution after a step, if there is one already. */
  async answerNext(execution: string, after = -1): Promise<void> {
    const rs = await this.store.open();
    const { items } = await rs.runs.calls({ execution, open: true, kind: "cc" });
    const next = items.find(({ step }) => (step ?? 0) > after);
    if (next !== undefined) await this.answer(next.id);
  }

  /** Approves or rejects a call; without a decision, as the person chooses. */
  async decide(id: string, decision?: Decision): Promise<void> {
    const call = await this.#readOpen(id);
    if (call === undefined) return;
    if (call.waitsFor !== "approval") return this.#explainClosed(call);
    const { executionId, programName, kind, line } = call;
    const where = `Line ${line} of ${programText(programName)}`;
    const chosen = decision ?? (await this.editor.pick(oneLine(callText(call), TITLE_LENGTH), where, DECISIONS))?.value;
    if (chosen === undefined) return;
    const reason = { title: `Reject ${kind}`, prompt: "The reason, which the program gets; it may be empty" };
    const typed = chosen === "approve" ? { text: "" } : await this.editor.input(reason);
    if (typed === undefined || !("text" in typed)) return;
    const options = { call: id, by: this.editor.setting("answeredBy") };
    const rs = await this.store.open();
    try {
      if (chosen === "approve") await rs.runs.approve(executionId, options);
      else await rs.runs.reject(executionId, { ...options, ...(typed.text !== "" && { reason: typed.text }) });
    } catch (error) {
      const now = await this.#read(id);
      if (now.waitsFor === "approval") throw error;
      this.#explainClosed(now);
    }
  }

  /** Offers to decide on a call of a tool. Questions are not announced: what begins to ask also asks the person. */
  async #announce({ id, waitsFor, requestedAt, programName, kind }: CallView): Promise<void> {
    if (waitsFor !== "approval" || !this.editor.isTrusted || (requestedAt ?? 0) < this.#since) return;
    const action = await this.editor.offer(`“${programText(programName)}” waits for your approval of ${kind}.`, [REVIEW]);
    if (action === REVIEW) await this.decide(id);
  }

  /** Opens an editor for the answer of a call, with its draft. */
  async answerInEditor(id: string): Promise<void> {
    const call = await this.#readOpen(id);
    if (call !== undefined) await this.editor.openVirtualFile(ANSWER_SCHEME, pathOf(call));
  }

  /** Sends the answer that the active editor holds. */
  async sendActive(): Promise<void> {
    // The text that the person sees, not the stored draft: another window may have written that, or it may be too
    // large.
    const file = await this.editor.saveVirtualFile(ANSWER_SCHEME);
    if (file === undefined) return this.editor.inform("Open an answer first.");
    const { path, text } = file;
    const call = await this.#readOpen(callOf(path));
    if (call === undefined) return;
    let answer: Json;
    try {
      answer = parseAnswer(call, text);
    } catch (error) {
      // The JSON editor itself marks the place.
      return this.editor.fail(`The answer is not valid JSON: ${(error as Error).message}`);
    }
    const rejection = await this.#send(call, answer, text);
    this.editor.problems(`${ANSWER_SCHEME}:${path}`, rejection === undefined ? [] : [problemIn(text, rejection)]);
    if (rejection === undefined) await this.editor.closeVirtualFile(ANSWER_SCHEME, path);
  }

  /** Sends the answers that were being sent when a window or its process ended. */
  async resume(): Promise<void> {
    for (const draft of await this.drafts.unsent()) {
      try {
        await this.drafts.resend(draft);
        this.editor.log("info", `the answer of call ${draft.call} was sent again`);
      } catch (error) {
        // Without `sent` the draft is offered to the person and not sent again. After other failures it is sent again
        // by the next window.
        if (codeOf(error) === "invalid_answer") await this.drafts.save({ ...draft, sent: undefined });
        if (CLOSED.has(codeOf(error) ?? "")) await this.drafts.discard(draft.call);
        this.editor.log("warn", `the answer of call ${draft.call} was not sent: ${detailOf(error)}`);
      }
    }
  }

  async read(path: string): Promise<string> {
    const id = callOf(path);
    return (await this.drafts.get(id))?.text ?? template(await this.#read(id));
  }

  async write(path: string, text: string): Promise<void> {
    if (!this.editor.isTrusted) throw new Error("the draft is not stored, because the workspace is not trusted");
    const { id, executionId } = await this.#read(callOf(path));
    await this.drafts.save({ call: id, execution: executionId, text });
  }

  /** Sends an answer, and asks the next question of the same execution if there is one already. Returns whether the
   * answer was accepted. */
  async #sendAndContinue(call: CallView, answer: Json, text: string): Promise<boolean> {
    if ((await this.#send(call, answer, text)) !== undefined) return false;
    await this.answerNext(call.executionId, call.step ?? 0);
    return true;
  }

  /** Sends an answer. Returns the reason if it was rejected; the draft is then kept. */
  async #send(call: CallView, answer: Json, text: string): Promise<string | undefined> {
    const sent = { answer, by: this.editor.setting("answeredBy"), commandId: `answer-${crypto.randomUUID()}` };
    const draft: Draft = { call: call.id, execution: call.executionId, text };
    try {
      await this.drafts.send({ ...draft, sent });
      return undefined;
    } catch (error) {
      if (CLOSED.has(codeOf(error) ?? "")) {
        await this.drafts.discard(call.id);
        this.#explainClosed(await this.#read(call.id));
        return undefined;
      }
      // The outcome of other failures may be unknown: `sent` is then kept, and sent again with the same command id.
      if (codeOf(error) === "invalid_answer") await this.drafts.save(draft);
      this.editor.fail(`The answer was not accepted: ${messageOf(error)}`);
      return messageOf(error);
    }
  }

  async #choose(): Promise<CallView | undefined> {
    await this.store.refresh();
    const { waiting } = this.store.snapshot;
    if (waiting.length === 0) this.editor.inform("Nothing waits for you.");
    if (waiting.length < 2) return waiting[0];
    const choices = waiting.map((call) => ({ label: oneLine(callText(call)), description: programText(call.programName), value: call }));
    return (await this.editor.pick("What waits for you", "Choose a question or an approval", choices))?.value;
  }

  /** The call, unless it is closed, which is explained to the person. */
  async #readOpen(id: string): Promise<CallView | undefined> {
    const call = await this.#read(id);
    if (call.outcome === null) return call;
    this.#explainClosed(call);
    return undefined;
  }

  async #read(id: string): Promise<CallView> {
    const rs = await this.store.open();
    return rs.call("cvm.call", { id });
  }

  #explainClosed({ prompt, kind, outcome, response, approval }: CallView): void {
    const by = response?.by ? ` by ${response.by}` : "";
    const decided = approval && `was already ${approval.approved ? "approved" : "rejected"} by ${approval.by}`;
    const closed = decided ?? `is already closed: ${outcome?.replace("_", " ") ?? "it awaits no approval"}`;
    const how = outcome === "answered" ? `was already answered${by}: ${JSON.stringify(response?.result)}` : closed;
    this.editor.inform(`“${oneLine(prompt, 60) || kind}” ${how}. Nothing was changed.`);
  }
}

/** Stores a draft when typing rests, and at the end. */
class DraftWriter {
  #pending: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly save: (text: string) => Promise<void>) {}

  write(text: string): void {
    this.#pending = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush().catch(() => {}), DRAFT_DELAY_MS);
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    const text = this.#pending;
    this.#pending = undefined;
    if (text !== undefined) this.#last = this.#last.catch(() => {}).then(() => this.save(text));
    return this.#last;
  }
}

function explain(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function pathOf(call: CallView): string {
  const name = oneLine(call.prompt || call.kind, 40).replace(/[^\p{L}\p{N} -]/gu, "").trim() || "answer";
  return `/${call.id}/${name}.${usesJsonEditor(call) ? "json" : "md"}`;
}

function callOf(path: string): string {
  return path.split("/")[1] ?? "";
}
