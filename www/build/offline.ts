// Makes the service worker: `build/worker.js` with the list of the files that were built, so that all of them are there offline, also
// those that the first visit never asked for (the compiler, the editor).

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

export function offline(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "offline",
    apply: "build",
    configResolved(resolved) {
      config = resolved;
    },
    generateBundle: {
      // After Vite's own, which writes index.html.
      order: "post",
      handler(_, bundle) {
        const built = Object.entries(bundle).map(([name, file]) => ({
          name,
          bytes: file.type === "chunk" ? file.code : file.source,
        }));
        const fixed = readdirSync(config.publicDir).map((name) => ({
          name,
          bytes: readFileSync(join(config.publicDir, name)),
        }));
        const files = [...built, ...fixed].sort((a, b) => (a.name < b.name ? -1 : 1));
        const version = createHash("sha256");
        for (const { name, bytes } of files) version.update(name).update("\0").update(bytes).update("\0");
        const worker = readFileSync(join(config.root, "build/worker.js"), "utf8")
          .replace("__VERSION__", version.digest("hex").slice(0, 16))
          .replace("__FILES__", JSON.stringify(files.map((file) => file.name)));
        this.emitFile({ type: "asset", fileName: "sw.js", source: worker });
      },
    },
  };
}
