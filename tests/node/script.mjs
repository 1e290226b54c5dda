// Plays the script on stdin on the store of a URL and prints its outcome; both are JSON. Run `node script.mjs PACKAGE URL`.

import { readFileSync } from "node:fs";

import { wasm } from "./package.mjs";

process.stdout.write(await wasm.playScript(process.argv[3], readFileSync(0, "utf8")));
