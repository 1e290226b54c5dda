// The build of the page, and of its tests for Node. The built page contains everything that it needs, so it makes no
// requests to other origins.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

import manifest from "./node_modules/runstate/package.json" with { type: "json" };

/**
 * Packs the WebAssembly, and creates the service worker with the list of all files. Many web servers send .wasm
 * uncompressed, three times as large, and a progress bar needs the transferred size. The suffix is not `.gz`: some
 * servers declare that as an encoding, and browsers would unpack it.
 */
const packFiles: Plugin = {
  name: "pack-files",
  apply: "build",
  generateBundle: {
    // Runs after Vite's own plugin, which writes index.html.
    order: "post",
    handler(_, bundle) {
      const files = new Map(readdirSync("public").map((name) => [name, readFileSync(`public/${name}`) as Uint8Array | string]));
      for (const [name, file] of Object.entries(bundle)) {
        if (name.endsWith(".wasm") && file.type === "asset") {
          const source = gzipSync(file.source, { level: 9 });
          this.emitFile({ type: "asset", fileName: `${name}.gzip`, source });
          files.set(`${name}.gzip`, source);
          delete bundle[name];
        } else {
          files.set(name, file.type === "chunk" ? file.code : file.source);
        }
      }
      const version = createHash("sha256");
      const names = [...files.keys()].sort();
      for (const name of names) version.update(`${name}\0`).update(files.get(name) ?? "");
      // The page itself is cached last, so that it opens from the cache only when all of its files are there.
      const cached = [...names.filter((name) => name !== "index.html"), "./"];
      const constants = `const CACHE = "runstate-www-${version.digest("hex").slice(0, 16)}";\nconst FILES = ${JSON.stringify(cached)};\n`;
      this.emitFile({ type: "asset", fileName: "sw.js", source: constants + readFileSync("src/service-worker.js", "utf8") });
    },
  },
};

/** The bundle of the tests of the pure functions, for Node's test runner. */
const tests = { input: readdirSync("test").map((name) => `test/${name}`) };

export default defineConfig(({ mode }) => ({
  base: "./",
  // The link to the source code.
  define: { __SOURCE__: JSON.stringify(manifest.repository.url.replace(/^git\+|\.git$/g, "")) },
  plugins: mode === "test" ? [] : [packFiles],
  server: { host: "127.0.0.1", fs: { allow: [".."] } },
  preview: { host: "127.0.0.1" },
  worker: { format: "es" },
  // The package loads its .wasm from beside its own files. Pre-bundling for the development server would break that.
  optimizeDeps: { exclude: ["runstate"] },
  build:
    mode === "test"
      ? { ssr: true, outDir: "node_modules/.tests", target: "node20", minify: false, rolldownOptions: tests }
      : // The page has the compiler's code, which the package would import by itself.
        { target: "es2022", modulePreload: { polyfill: false }, rolldownOptions: { checks: { ineffectiveDynamicImport: false } } },
}));
