// Lets the browser fetch the engine's WebAssembly while it still reads the scripts that ask for it. The link also says to the page
// where it is, and its size.

import type { Plugin } from "vite";

import { PACKED } from "./pack.ts";

/** The engine; the compiler's (`runstate_compiler_bg`) is fetched when it is needed. Where both are the same it may have either name. */
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
        const packed = files[`${engine}${PACKED}`];
        if (packed?.type !== "asset") throw new Error(`${ENGINE} is not among the files that were built`);
        return [
          {
            tag: "link",
            // The scripts first: they show how far the engine is.
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
