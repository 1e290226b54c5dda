// Problems of answers while they are typed. The engine checks an answer when it is sent; here a store in memory checks
// it by the same rules.

import type { CallView, Json, Runstate } from "runstate";

import { isConnected, parseAnswer } from "./answer-form.ts";
import { ANSWER_SCHEME } from "./answering.ts";
import type { Editor, Problem, TextFile } from "./editor.ts";
import { codeOf, detailOf } from "./errors.ts";
import { problemIn } from "./json-pointer.ts";
import type { Store } from "./store.ts";

/** How long typing rests before an answer is checked, in milliseconds. */
const CHECK_DELAY_MS = 250;

/** Makes a call that accepts the same answers. */
const PROGRAM = 'CC("", input.choices === null ? { schema: input.schema } : { choices: input.choices });';

export class AnswerDiagnostics {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #scratch: Promise<Runstate> | undefined;

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
  ) {
    editor.onFileChange((file) => file.uri.startsWith(`${ANSWER_SCHEME}:`) && this.#checkSoon(file));
    editor.onFileClose((uri) => this.#forget(uri));
    editor.onClose(async () => {
      [...this.#timers.keys()].forEach((uri) => this.#forget(uri));
      await this.#scratch?.then((rs) => rs.close(), () => {});
    });
  }

  #forget(uri: string): void {
    clearTimeout(this.#timers.get(uri));
    this.#timers.delete(uri);
  }

  #checkSoon(file: TextFile): void {
    this.#forget(file.uri);
    this.#timers.set(
      file.uri,
      setTimeout(() => void this.#show(file), CHECK_DELAY_MS),
    );
  }

  async #show(file: TextFile): Promise<void> {
    const { uri, text } = file;
    try {
      const rs = await this.store.open();
      const call = await rs.call("cvm.call", { id: uri.split("/")[1] ?? "" });
      const problem = call.outcome === null ? await this.#check(call, text) : undefined;
      // A text that changed meanwhile is checked again.
      if (file.text === text && this.#timers.has(uri)) this.editor.problems(uri, problem === undefined ? [] : [problem]);
    } catch (error) {
      this.editor.log("warn", `an answer was not checked: ${detailOf(error)}`);
    }
  }

  async #check(call: CallView, text: string): Promise<Problem | undefined> {
    const { schema = null, choices = null } = call;
    if (schema === null && choices === null) return undefined;
    let answer: Json;
    try {
      answer = parseAnswer(call, text);
    } catch {
      // The JSON editor itself marks the place.
      return undefined;
    }
    // The JSON editor itself checks a text that names its schema.
    if (isConnected(call, text)) return undefined;
    this.#scratch ??= this.#open();
    const rs = await this.#scratch.catch((error: unknown) => {
      this.#scratch = undefined;
      throw error;
    });
    const run = await rs.start("answer", { input: { schema, choices } });
    try {
      await run.answer(answer);
      return undefined;
    } catch (error) {
      if (codeOf(error) !== "invalid_answer") throw error;
      return problemIn(text, (error as Error).message.replace(/; nothing was changed$/, ""));
    } finally {
      if (run.status === "waiting_cc") await run.cancel();
      await run.delete();
    }
  }

  async #open(): Promise<Runstate> {
    const { rs } = await this.store.scratch();
    await rs.load({ name: "answer", source: PROGRAM });
    return rs;
  }
}
