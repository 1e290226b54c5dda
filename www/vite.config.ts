// How the page is built. Everything it needs is in its own folder afterwards: no address elsewhere is ever asked.

import { defineConfig } from "vite";

import { offline } from "./build/offline.ts";
import { preload } from "./build/preload.ts";

export default defineConfig({
  base: "./",
  plugins: [preload(), offline()],
  server: { host: "127.0.0.1", fs: { allow: [".."] } },
  preview: { host: "127.0.0.1" },
  // The package finds its .wasm beside itself, which bundling it for the dev server would break.
  optimizeDeps: { exclude: ["runstate"] },
  build: { target: "es2022", modulePreload: { polyfill: false } },
});
