// The code of the editor and of the colours, which is downloaded apart, after the engine, and when the download will be kept. Until it
// is there a source is plain text.

import { engineModule } from "../engine/wasm";
import { kept } from "../page/offline";

export async function loadEditor(): Promise<typeof import("./codemirror")> {
  await afterEngine();
  return import("./codemirror");
}

export async function loadHighlight(): Promise<typeof import("./highlight")> {
  await afterEngine();
  return import("./highlight");
}

/** A page without an engine has its editor all the same. */
async function afterEngine(): Promise<void> {
  await Promise.allSettled([kept, engineModule()]);
}
