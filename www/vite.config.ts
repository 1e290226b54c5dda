// How the page is built. Everything it needs is in its own folder afterwards: no address elsewhere is ever asked.

import { defineConfig } from "vite";

import { offline } from "./build/offline.ts";
import { pack } from "./build/pack.ts";
import { preload } from "./build/preload.ts";
import { source } from "./build/source.ts";

export default defineConfig({
  base: "./",
  plugins: [source(), pack(), preload(), offline()],
  server: { host: "127.0.0.1", fs: { allow: [".."] } },
  preview: { host: "127.0.0.1" },
  worker: { format: "es" },
  // The package finds its .wasm beside itself, which bundling it for the dev server would break.
  optimizeDeps: { exclude: ["runstate"] },
  build: { target: "es2022", modulePreload: { polyfill: false } },
});
