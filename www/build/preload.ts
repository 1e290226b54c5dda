// Adds a preload link, so that the browser fetches the engine's WebAssembly while it still loads the scripts. The page also reads the address and
// size of the file from the link.

import type { Plugin } from "vite";

import { PACKED_SUFFIX } from "./pack.ts";

/** The engine. The compiler (`runstate_compiler_bg`) is fetched when it is needed. If both files are equal, the build may use either name. */
const ENGINE = "runstate_bg.wasm";

export function preload(): Plugin {
  return {
    name: "preload",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const files = bundle ?? {};
        const engine = Object.keys(files).find((name) => {
          const file = files[name];
          return file?.type === "asset" && file.names.includes(ENGINE);
        });
        const packed = files[`${engine}${PACKED_SUFFIX}`];
        if (packed?.type !== "asset") throw new Error(`the engine cannot be preloaded: ${ENGINE} is not a file of the build`);
        return [
          {
            tag: "link",
            // The low priority lets the scripts load first; they show the progress of the engine.
            attrs: {
              id: "engine",
              rel: "preload",
              as: "fetch",
              crossorigin: true,
              fetchpriority: "low",
              href: `./${packed.fileName}`,
              "data-bytes": String(packed.source.length),
            },
            injectTo: "head",
          },
        ];
      },
    },
  };
}
