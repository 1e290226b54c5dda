// The one runtime of all entries for pages: whichever of them begins it, there is one instance, and one class of each name.

import * as glue from "../build/runstate.js";
import { type Glue, Instance } from "./instance.js";
import { PAGE } from "./wasm.js";

/** The runtime. */
export const runtime: Instance = new Instance(glue as unknown as Glue, PAGE);
