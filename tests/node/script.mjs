// Plays the script on stdin on the store of a URL, and says what it came to, both as JSON: `node script.mjs PACKAGE URL`.

import { readFileSync } from "node:fs";

import { wasm } from "./package.mjs";

process.stdout.write(await wasm.playScript(process.argv[3], readFileSync(0, "utf8")));
