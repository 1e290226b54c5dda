// Bundlers, as their users call them: each makes a bundle of `main.js` of a project. This is the one list of them.

import { join } from "node:path";

import webpack from "webpack";

import { tool } from "./project.js";

const esbuild = (here, to, ...words) => here.run(tool("esbuild"), "main.js", "--bundle", "--log-level=warning", `--outfile=${to}`, ...words);

function pack(here, target, filename) {
  const output = { path: join(here.folder, "out"), filename };
  const compiler = webpack({ context: here.folder, entry: "./main.js", mode: "production", target, output, performance: false, cache: false });
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
      else compiler.close(resolve);
    });
  });
}

/** The extension must say that it is CommonJS: the folder of a project may say otherwise. */
const CJS_BY_ROLLDOWN = [
  ...["--format", "cjs", "--platform", "node", "--dir", "out"],
  ...["--entry-file-names", "[name].cjs", "--chunk-file-names", "[name]-[hash].cjs"],
];

/**
 * For Node, all to `out/main.cjs`. `assets`: it copies the WebAssembly beside the bundle by itself; of the others their users do.
 */
export const FOR_NODE = [
  { name: "esbuild, cjs", build: (here) => esbuild(here, "out/main.cjs", "--platform=node", "--format=cjs") },
  { name: "esbuild, iife", build: (here) => esbuild(here, "out/main.cjs", "--platform=node", "--format=iife") },
  {
    name: "rolldown, cjs",
    build: (here) => here.run(tool("rolldown"), "main.js", ...CJS_BY_ROLLDOWN),
  },
  { name: "webpack, node", build: (here) => pack(here, "node", "main.cjs"), assets: true },
];

/** For pages, all to `out/main.js`, as a classic script. */
export const FOR_PAGES = [
  { name: "esbuild, iife", build: (here) => esbuild(here, "out/main.js", "--format=iife") },
  { name: "esbuild, cjs", build: (here) => esbuild(here, "out/main.js", "--format=cjs") },
  { name: "webpack, web", build: (here) => pack(here, "web", "main.js"), assets: true },
];

/** For a page, with each `.wasm` that the program imports as bytes in the bundle. */
export const inOneFile = (here, format = "iife") => esbuild(here, "out/main.js", `--format=${format}`, "--loader:.wasm=binary");
