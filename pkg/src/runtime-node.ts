// The runtime that all entries for Node and `runstate/full` share. Its WebAssembly has everything that the one of
// pages has, and file stores, apps, encryption and simulated worlds.

import * as glue from "../build/runstate_node.js";
import { type Glue, Instance } from "./instance.js";
import { NODE_WASM } from "./wasm.js";

export const runtime: Instance = new Instance(glue as unknown as Glue, NODE_WASM);
