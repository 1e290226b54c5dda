// Expands the `~` of `file:~/DIR`, which shells do not expand there. The native command line does the same.

import { homedir } from "node:os";

/** Replaces `~` in a `file:` URL by the home directory. Other URLs do not need it: Deno asks for a permission. */
export function expandHome(url: string): string {
  if (!/^file:~($|[/?])/.test(url)) return url;
  const home = homedir();
  return home ? `file:${home}${url.slice("file:~".length)}` : url;
}
