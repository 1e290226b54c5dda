// Bundles the tests of the pure functions for Node's test runner.

import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));

export default defineConfig({
  build: {
    ssr: true,
    outDir: "node_modules/.tests",
    emptyOutDir: true,
    target: "node20",
    minify: false,
    rollupOptions: { input: tests.map((name) => `test/${name}`) },
  },
});
