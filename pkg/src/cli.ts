#!/usr/bin/env node
// `npx runstate …`.

import { main } from "./cli/main.js";

process.exitCode = await main(process.argv.slice(2));
