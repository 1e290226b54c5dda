#!/usr/bin/env node
// The program of `npx runstate …`.

import { main } from "./cli/main.js";

process.exitCode = await main(process.argv.slice(2));
