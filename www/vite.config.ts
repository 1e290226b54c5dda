// The build of the page. The result contains everything that the page needs, so it makes no requests to other origins.

import { defineConfig } from "vite";

import { offline } from "./build/offline.ts";
import { pack } from "./build/pack.ts";
import { preload } from "./build/preload.ts";
import manifest from "./node_modules/runstate/package.json" with { type: "json" };

export default defineConfig({
  base: "./",
  // The link to the source code.
  define: { __SOURCE__: JSON.stringify(manifest.repository.url.replace(/^git\+|\.git$/g, "")) },
  plugins: [pack(), preload(), offline()],
  server: { host: "127.0.0.1", fs: { allow: [".."] } },
  preview: { host: "127.0.0.1" },
  worker: { format: "es" },
  // The package loads its .wasm from beside its own files. Pre-bundling for the development server would break that.
  optimizeDeps: { exclude: ["runstate"] },
  build: { target: "es2022", modulePreload: { polyfill: false } },
});
