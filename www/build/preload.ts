// Lets the browser fetch the engine's WebAssembly while it still reads the scripts that ask for it. The link also says to the page where it is, and
// its size.

import type { Plugin } from "vite";

import { PACKED } from "./pack.ts";

/** The engine; the compiler's (`runstate_compiler_bg`) is fetched when it is needed. */
const ENGINE = /runstate_bg-[^/]*\.wasm$/;

export function preload(): Plugin {
  return {
    name: "preload",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const engine = Object.entries(bundle ?? {}).find(([name]) => name.endsWith(PACKED) && ENGINE.test(name.slice(0, -PACKED.length)));
        if (engine === undefined || engine[1].type !== "asset") throw new Error("the engine's WebAssembly is not in what was built");
        const [name, { source }] = engine;
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
              href: `./${name}`,
              "data-bytes": String(source.length),
            },
            injectTo: "head",
          },
        ];
      },
    },
  };
}
