// The extension in Node: on the desktop, over SSH, in a container. Its store is a folder that several windows and the command line may use at once.

import { hostname } from "node:os";

import { open } from "runstate";
import { compile } from "runstate/compiler";

import { openScratch } from "./scratch.ts";
import { extension } from "./vscode.ts";

export const { activate, deactivate } = extension({
  hostname: hostname(),
  open: (editor, options) => open(`file:${editor.setting("storeFolder") || editor.storageFolder}`, options),
  compile: (_, name, source) => compile(name, source),
  scratch: openScratch,
});
