// The code of the editor, which is downloaded apart, when the download will be kept. Until it is there a source is plain text.

import { kept } from "../page/offline";

export async function loadEditor(): Promise<typeof import("./codemirror")> {
  await kept;
  return import("./codemirror");
}
