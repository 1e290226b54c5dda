// The bundlers that the tests use, called as their users call them. Each bundles `main.js` of a project.

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

/** The extension `.cjs` marks CommonJS, because the package.json of a project may say `module`. */
const CJS_BY_ROLLDOWN = [
  ...["--format", "cjs", "--platform", "node", "--dir", "out"],
  ...["--entry-file-names", "[name].cjs", "--chunk-file-names", "[name]-[hash].cjs"],
];

/** Bundlers for Node, to `out/main.cjs`. `assets`: the bundler itself copies the WebAssembly beside the bundle. */
export const FOR_NODE = [
  { name: "esbuild, cjs", build: (here) => esbuild(here, "out/main.cjs", "--platform=node", "--format=cjs") },
  { name: "esbuild, iife", build: (here) => esbuild(here, "out/main.cjs", "--platform=node", "--format=iife") },
  {
    name: "rolldown, cjs",
    build: (here) => here.run(tool("rolldown"), "main.js", ...CJS_BY_ROLLDOWN),
  },
  { name: "webpack, node", build: (here) => pack(here, "node", "main.cjs"), assets: true },
];

/** Bundlers for one file for Node 20, `out/main.cjs` or `out/main.mjs`, with each imported `.wasm` in it as bytes. */
export const FOR_NODE_IN_ONE_FILE = ["cjs", "esm"].flatMap((format) => {
  const file = format === "cjs" ? "out/main.cjs" : "out/main.mjs";
  const rolldown = ["--platform", "node", "--format", format, "--module-types", ".wasm:binary", "--no-code-splitting"];
  return [
    { name: `esbuild, ${format}`, file, build: (here) => esbuild(here, file, "--platform=node", "--target=node20", `--format=${format}`, "--loader:.wasm=binary") },
    { name: `rolldown, ${format}`, file, build: (here) => here.run(tool("rolldown"), "main.js", ...rolldown, "-o", file) },
  ];
});

/** Bundlers for pages, to the classic script `out/main.js`. */
export const FOR_PAGES = [
  { name: "esbuild, iife", build: (here) => esbuild(here, "out/main.js", "--format=iife") },
  { name: "esbuild, cjs", build: (here) => esbuild(here, "out/main.js", "--format=cjs") },
  { name: "webpack, web", build: (here) => pack(here, "web", "main.js"), assets: true },
];

/** Bundles for a page; each imported `.wasm` is in the bundle as bytes. */
export const inOneFile = (here, format = "iife") => esbuild(here, "out/main.js", `--format=${format}`, "--loader:.wasm=binary");
