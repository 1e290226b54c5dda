// The runtime that all entries for Node share. Its WebAssembly has file stores instead of IndexedDB, so that pages do not download them.

import * as glue from "../build/runstate_node.js";
import { type Glue, Instance } from "./instance.js";
import { NODE_WASM } from "./wasm.js";

/** The runtime. */
export const runtime: Instance = new Instance(glue as unknown as Glue, NODE_WASM);
