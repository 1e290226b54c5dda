// Plays the script on stdin on the store of a URL, and says what it came to, both as JSON: `node script.mjs PACKAGE URL`.

import { readFileSync, writeFileSync } from "node:fs";

import { wasm } from "./package.mjs";

writeFileSync(1, await wasm.playScript(process.argv[3], readFileSync(0, "utf8")));
