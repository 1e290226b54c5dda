// Adds a gzip copy of each WebAssembly file. Many web servers send .wasm uncompressed, three times as large. A progress bar needs the transferred
// size, which is known only for a packed file. The page and the service worker unpack it.

import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** The suffix of a packed file. It is not `.gz`, because some servers declare that as an encoding and browsers would then unpack the file. */
export const PACKED_SUFFIX = ".gzip";

export function pack(): Plugin {
  return {
    name: "pack",
    apply: "build",
    generateBundle: {
      // Runs before Vite writes index.html, which names one of the packed files.
      order: "pre",
      handler(_, bundle) {
        for (const [name, file] of Object.entries(bundle)) {
          if (file.type !== "asset" || !name.endsWith(".wasm")) continue;
          this.emitFile({ type: "asset", fileName: name + PACKED_SUFFIX, source: gzipSync(file.source, { level: 9 }) });
        }
      },
    },
  };
}
