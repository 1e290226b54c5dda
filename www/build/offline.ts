// Creates the service worker from `build/service-worker.js` and the lists of built files. It caches all files for offline use, also those that the
// first visit does not request (the compiler). The editor is cached after the first edit; without it a plain text field is used.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

import { ASSETS_CACHE } from "./cache.ts";
import { PACKED_SUFFIX } from "./pack.ts";

/** The module that is downloaded only when it is first used. */
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
      // Runs after Vite's own plugin, which writes index.html.
      order: "post",
      handler(_, bundle) {
        const lazyChunks = Object.values(bundle).flatMap((file) =>
          file.type === "chunk" && file.facadeModuleId?.endsWith(EDITOR) ? [file.fileName] : [],
        );
        if (lazyChunks.length !== 1) throw new Error(`the service worker cannot be created: ${EDITOR} is not a chunk of the build`);
        const built = Object.entries(bundle).map(([name, file]) => ({ name, bytes: file.type === "chunk" ? file.code : file.source }));
        const publicFiles = readdirSync(config.publicDir).map((name) => ({
          name,
          bytes: readFileSync(join(config.publicDir, name)),
        }));
        const files = [...built, ...publicFiles].sort((a, b) => (a.name < b.name ? -1 : 1));
        const version = createHash("sha256");
        for (const { name, bytes } of files) version.update(name).update("\0").update(bytes).update("\0");
        const names = files.map(({ name }) => name);
        // The cache holds packed files, not the unpacked ones.
        const packed = names.filter((name) => names.includes(name + PACKED_SUFFIX)).map((name) => [name, name + PACKED_SUFFIX]);
        const cached = names.filter((name) => !names.includes(name + PACKED_SUFFIX));
        const isAsset = (name: string) => name.startsWith(`${config.build.assetsDir}/`);
        const lists = {
          __VERSION__: version.digest("hex").slice(0, 16),
          __ASSETS_CACHE__: ASSETS_CACHE,
          __ASSETS__: JSON.stringify(cached.filter(isAsset)),
          __LATER__: JSON.stringify(lazyChunks),
          __PACKED__: JSON.stringify(Object.fromEntries(packed)),
          // The page itself is last; see the service worker.
          __FIXED__: JSON.stringify([...cached.filter((name) => !isAsset(name) && name !== "index.html"), "./"]),
        };
        let worker = readFileSync(join(config.root, "build/service-worker.js"), "utf8");
        for (const [mark, value] of Object.entries(lists)) worker = worker.replace(mark, value);
        this.emitFile({ type: "asset", fileName: "sw.js", source: worker });
      },
    },
  };
}
