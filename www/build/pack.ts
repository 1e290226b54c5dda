// Packs each WebAssembly with gzip beside itself. Many web servers send .wasm unpacked, three times as large; and a bar of progress
// needs the size on the line, which is known of a packed file alone. The page and the service worker unpack it.

import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** The suffix of a packed file. Not `.gz`: some servers declare that as an encoding, and browsers would unpack it unasked. */
export const PACKED = ".gzip";

export function pack(): Plugin {
  return {
    name: "pack",
    apply: "build",
    generateBundle: {
      // Before Vite writes index.html, which names one of them.
      order: "pre",
      handler(_, bundle) {
        for (const [name, file] of Object.entries(bundle)) {
          if (file.type !== "asset" || !name.endsWith(".wasm")) continue;
          this.emitFile({ type: "asset", fileName: name + PACKED, source: gzipSync(file.source, { level: 9 }) });
        }
      },
    },
  };
}
