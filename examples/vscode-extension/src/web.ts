// The extension in a web worker: VS Code in a browser. Its store is a database of the browser. The host calls the
// bundle as a function, so the WebAssembly is read through the editor.

import { compile, init as initCompiler } from "runstate/compiler";
import { init, open } from "runstate/full";

import { extension } from "./vscode.ts";

export const { activate, deactivate } = extension({
  // Each browser has a store of its own, so its name need not be unique.
  hostname: "browser",
  async open(editor, options) {
    await init(editor.asset("dist/runstate_node_bg.wasm"), { compile });
    await initCompilerOnce(editor);
    return open("indexeddb:runstate-vscode", options);
  },
  async compile(editor, name, source, files) {
    await initCompilerOnce(editor);
    return compile(name, source, files);
  },
  async scratch(editor) {
    await init(editor.asset("dist/runstate_node_bg.wasm"), { compile });
    // The simulated clock is part of the WebAssembly for Node.
    return { rs: await open("memory:", { timers: "off" }), advanceTo: async () => {} };
  },
});

let compilerReady: Promise<void> | undefined;

function initCompilerOnce(editor: { asset(path: string): Promise<Uint8Array> }): Promise<void> {
  compilerReady ??= initCompiler(editor.asset("dist/runstate_compiler_bg.wasm")).catch((error: unknown) => {
    // The next call tries again.
    compilerReady = undefined;
    throw error;
  });
  return compilerReady;
}
