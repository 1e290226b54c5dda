// The `~` of `file:~/DIR`, which no shell expands there; the native command line reads it so too.

import { homedir } from "node:os";

/** The URL with the home directory in place of `~`. */
export function atHome(url: string, home: string | undefined = homedir()): string {
  return home && /^file:~($|[/?])/.test(url) ? `file:${home}${url.slice("file:~".length)}` : url;
}
