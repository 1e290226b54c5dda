// The extension in Node: on the desktop, over SSH, in a container. Its store is a folder that several windows and the
// command line may use at once.

import { homedir, hostname } from "node:os";
import { isAbsolute } from "node:path";

import { open } from "runstate";
import { compile } from "runstate/compiler";

import type { Editor } from "./editor.ts";
import { openScratch } from "./scratch.ts";
import { extension } from "./vscode.ts";

export const { activate, deactivate } = extension({
  hostname: hostname(),
  open: async (editor, options) => open(`file:${folderOf(editor)}`, options),
  compile: (_, name, source, files) => compile(name, source, files),
  scratch: openScratch,
});

/** The folder of the store. A window of an editor has no current folder, so a relative path would mean another folder
 * in each. */
function folderOf(editor: Editor): string {
  const setting = editor.setting("storeFolder").replace(/^~(?=[\\/]|$)/, homedir());
  if (setting === "") return editor.storageFolder;
  if (!isAbsolute(setting) || setting.includes("?")) throw new Error(`the setting runstate.storeFolder is "${setting}"; it must be an absolute path without "?"`);
  return setting;
}
