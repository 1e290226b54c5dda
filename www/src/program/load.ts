// The code of the editor, which is downloaded apart, after the engine, and when the download will be kept. Until it is there a source
// is plain text.

import { engineModule } from "../engine/wasm";
import { kept } from "../page/offline";

export async function loadEditor(): Promise<typeof import("./codemirror")> {
  // A page without an engine has its editor all the same.
  await Promise.allSettled([kept, engineModule()]);
  return import("./codemirror");
}
