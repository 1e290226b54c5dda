// The target of the page's link to the source code: the repository that the package names. If it names none, it is an archive of this tree beside
// the page.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** The relative address of the archive. */
export const ARCHIVE = "./source.tar.gz";

const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;

export function source(): Plugin {
  let archive: Buffer | null = null;
  return {
    name: "source",
    config({ root = process.cwd() }, { command }) {
      const repository = repositoryIn(readFileSync(join(root, "node_modules/runstate/package.json"), "utf8"));
      if (repository === null && command === "build") archive = archiveTree(root);
      const link = repository ?? (archive === null ? null : ARCHIVE);
      return { define: { __SOURCE__: JSON.stringify(link) } };
    },
    generateBundle() {
      if (archive !== null) this.emitFile({ type: "asset", fileName: ARCHIVE.slice("./".length), source: archive });
    },
  };
}

/** The address of the repository in a package.json; null if it names none that a browser can open. */
export function repositoryIn(text: string): string | null {
  const { repository } = JSON.parse(text) as { repository?: string | { url?: string } };
  const url = (typeof repository === "string" ? repository : repository?.url) ?? "";
  const address = url.replace(/^git\+/, "").replace(/\.git$/, "");
  return /^https?:\/\//.test(address) ? address : null;
}

/** An archive of this tree at its last commit; null if it is not in a git repository. */
function archiveTree(root: string): Buffer | null {
  try {
    return execFileSync("git", ["archive", "--format=tar.gz", "--prefix=runstate/", "HEAD"], {
      cwd: join(root, ".."),
      maxBuffer: MAX_ARCHIVE_BYTES,
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return null;
  }
}
