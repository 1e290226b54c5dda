// The one runtime of all entries for Node; its WebAssembly has stores on files in place of IndexedDB, and a page does not pay for them.

import * as glue from "../build/runstate_node.js";
import { type Glue, Instance } from "./instance.js";
import { NODE } from "./wasm.js";

/** The runtime. */
export const runtime: Instance = new Instance(glue as unknown as Glue, NODE);
