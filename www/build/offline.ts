// Makes the service worker: `build/worker.js` with the lists of the files that were built, so that all of them are there offline, also
// those that the first visit never asked for (the compiler). The editor is kept after the first edit; without it there is a plain field.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

import { ASSETS } from "./cache.ts";
import { PACKED } from "./pack.ts";
import { ARCHIVE } from "./source.ts";

/** What is downloaded when it is first used, and not before. */
const EDITOR = "/src/program/codemirror.ts";

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
        const later = Object.values(bundle).flatMap((file) =>
          file.type === "chunk" && file.facadeModuleId?.endsWith(EDITOR) ? [file.fileName] : [],
        );
        if (later.length !== 1) throw new Error(`${EDITOR} is not one of the files that were built`);
        const built = Object.entries(bundle)
          .map(([name, file]) => ({ name, bytes: file.type === "chunk" ? file.code : file.source }))
          .filter(({ name }) => name !== ARCHIVE.slice("./".length));
        const fixed = readdirSync(config.publicDir).map((name) => ({
          name,
          bytes: readFileSync(join(config.publicDir, name)),
        }));
        const files = [...built, ...fixed].sort((a, b) => (a.name < b.name ? -1 : 1));
        const version = createHash("sha256");
        for (const { name, bytes } of files) version.update(name).update("\0").update(bytes).update("\0");
        const names = files.map(({ name }) => name);
        // Packed files stay packed in the cache.
        const packed = names.filter((name) => names.includes(name + PACKED)).map((name) => [name, name + PACKED]);
        const kept = names.filter((name) => !names.includes(name + PACKED));
        const isAsset = (name: string) => name.startsWith(`${config.build.assetsDir}/`);
        const lists = {
          __VERSION__: version.digest("hex").slice(0, 16),
          __ASSETS_CACHE__: ASSETS,
          __ASSETS__: JSON.stringify(kept.filter(isAsset)),
          __LATER__: JSON.stringify(later),
          __PACKED__: JSON.stringify(Object.fromEntries(packed)),
          // The page itself last: see the worker.
          __FIXED__: JSON.stringify([...kept.filter((name) => !isAsset(name) && name !== "index.html"), "./"]),
        };
        let worker = readFileSync(join(config.root, "build/worker.js"), "utf8");
        for (const [mark, value] of Object.entries(lists)) worker = worker.replace(mark, value);
        this.emitFile({ type: "asset", fileName: "sw.js", source: worker });
      },
    },
  };
}
