// Commands of the palette and of menus: their failures are shown, and one that changes something needs a trusted
// workspace.

import type { Editor } from "./editor.ts";
import { detailOf, messageOf } from "./errors.ts";

export function registerCommand(editor: Editor, name: string, handler: (argument: unknown) => unknown, trust: "trusted" | "any"): void {
  editor.command(`runstate.${name}`, async (argument) => {
    if (trust === "trusted" && !editor.isTrusted) {
      return editor.warn("This window is read-only, because the workspace is not trusted. Trust it to run programs and to answer.");
    }
    try {
      await handler(argument);
    } catch (error) {
      editor.log("error", `${name}: ${detailOf(error)}`);
      editor.fail(messageOf(error));
    }
  });
}
