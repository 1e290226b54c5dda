// The language models of the editor, over its Language Model API. The editor sends the request and asks the person for
// consent; this extension has no access to a network.

import * as vscode from "vscode";

import type { LanguageModel, LanguageModels } from "./editor.ts";

/** The largest response that is read, in characters. */
const RESPONSE_CHARACTERS = 1_000_000;

/** The editor's own explanation, which it shows when it asks for consent. */
const JUSTIFICATION = "A program that you started asks the model for its next step.";

export class VsCodeLanguageModels implements LanguageModels {
  readonly #subscriptions: vscode.Disposable[] = [];

  dispose(): void {
    this.#subscriptions.forEach((subscription) => subscription.dispose());
  }

  async list(): Promise<LanguageModel[]> {
    const models = await vscode.lm.selectChatModels();
    return models.map(({ id, name, vendor }) => ({ id: `${vendor}/${id}`, name }));
  }

  onChange(listener: () => void): void {
    this.#subscriptions.push(vscode.lm.onDidChangeChatModels(listener));
  }

  async ask(id: string, messages: string[], signal: AbortSignal): Promise<string> {
    const [vendor, ...rest] = id.split("/");
    const [model] = await vscode.lm.selectChatModels({ vendor, id: rest.join("/") });
    if (model === undefined) throw vscode.LanguageModelError.NotFound("the model is not available any more");
    const { User, Assistant } = vscode.LanguageModelChatMessage;
    const source = new vscode.CancellationTokenSource();
    const cancel = () => source.cancel();
    signal.throwIfAborted();
    signal.addEventListener("abort", cancel);
    try {
      const conversation = messages.map((text, n) => (n % 2 === 0 ? User(text) : Assistant(text)));
      const response = await model.sendRequest(conversation, { justification: JUSTIFICATION }, source.token);
      let text = "";
      for await (const part of response.text) {
        text += part;
        if (text.length > RESPONSE_CHARACTERS) throw new Error(`the response is longer than ${RESPONSE_CHARACTERS} characters`);
      }
      signal.throwIfAborted();
      return text;
    } finally {
      signal.removeEventListener("abort", cancel);
      // A response that is not read to its end is cancelled.
      source.cancel();
      source.dispose();
    }
  }
}
