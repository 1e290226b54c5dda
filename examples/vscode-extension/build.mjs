// Bundles the extension into `dist`: one source, one bundle for each host of extensions. With `--tests`, also its unit
// tests into `build`.
//
// Both hosts share the WebAssembly: that of Node also has IndexedDB, for the web worker (`browser`), and sessions.

import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { rolldown } from "rolldown";

async function bundle(input, platform, output, define = {}) {
  const build = await rolldown({ input, platform, external: ["vscode", /^node:/], transform: { define }, logLevel: "warn" });
  await build.write({ minify: false, codeSplitting: false, ...output });
  await build.close();
}

await rm("dist", { recursive: true, force: true });
await mkdir("dist", { recursive: true });
await mkdir("build", { recursive: true });
await bundle("src/desktop.ts", "node", { file: "dist/extension.cjs", format: "cjs" });
// The host on the web only loads files that end in `.js`. It calls the bundle as a function, which has no address:
// `src/web.ts` passes the bytes.
await bundle("src/web.ts", "browser", { file: "dist/extension.web.js", format: "cjs" }, { "import.meta": "{}" });
for (const name of ["runstate_node_bg.wasm", "runstate_compiler_bg.wasm"]) {
  await copyFile(`node_modules/runstate/dist/${name}`, `dist/${name}`);
}
await copyFile("node_modules/runstate/runstate.d.ts", "dist/runstate.d.ts");

if (process.argv.includes("--tests")) {
  for (const name of await readdir("test")) {
    if (!name.endsWith(".test.ts")) continue;
    const options = { platform: "node", external: [/^runstate/], transform: { target: "es2022" }, logLevel: "warn" };
    const build = await rolldown({ input: `test/${name}`, ...options });
    await build.write({ file: `build/${name.replace(/ts$/, "mjs")}`, format: "esm" });
    await build.close();
  }
}
