// Loads the modules of the editor and of syntax highlighting. They are downloaded separately, after the engine, once the service worker can cache
// them. Until then a source is shown as plain text.

import { engineModule } from "../engine/wasm";
import { offlineReady } from "../page/offline";

export async function loadEditor(): Promise<typeof import("./codemirror")> {
  await waitForEngine();
  return import("./codemirror");
}

export async function loadHighlight(): Promise<typeof import("./highlight")> {
  await waitForEngine();
  return import("./highlight");
}

/** Waits for the engine to load or fail: the editor also works without an engine. */
async function waitForEngine(): Promise<void> {
  await Promise.allSettled([offlineReady, engineModule()]);
}
