// Lets the browser fetch the engine's WebAssembly while it still reads the scripts that ask for it.

import type { Plugin } from "vite";

/** The engine; the compiler's (`runstate_compiler_bg`) is fetched when it is needed. */
const ENGINE = /runstate_bg-[^/]*\.wasm$/;

export function preload(): Plugin {
  return {
    name: "preload",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const engine = Object.keys(bundle ?? {}).find((name) => ENGINE.test(name));
        if (engine === undefined) throw new Error("the engine's WebAssembly is not in what was built");
        return [
          {
            tag: "link",
            attrs: { rel: "preload", as: "fetch", crossorigin: true, href: `./${engine}` },
            injectTo: "head-prepend",
          },
        ];
      },
    },
  };
}
