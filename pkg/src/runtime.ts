// The runtime that all entries for pages share, so that a page has one instance and one class of each name.

import * as glue from "../build/runstate.js";
import { type Glue, Instance } from "./instance.js";
import { BROWSER_WASM } from "./wasm.js";

export const runtime: Instance = new Instance(glue as unknown as Glue, BROWSER_WASM);
