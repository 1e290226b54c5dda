// Expands the `~` of `file:~/DIR`, which shells do not expand there. The native command line does the same.

import { homedir } from "node:os";

/** Replaces `~` in a `file:` URL by the home directory. */
export function expandHome(url: string, home: string | undefined = homedir()): string {
  return home && /^file:~($|[/?])/.test(url) ? `file:${home}${url.slice("file:~".length)}` : url;
}
