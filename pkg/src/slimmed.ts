// What the entries `runstate/slim` on pages (slim.ts) and in Node (slim-node.ts) have in common: you bring the WebAssembly, the compiler and
// the files yourself, for hosts and bundlers that do it in their own way.

import type { Compile } from "./engine.js";
import { usage } from "./errors.js";
import { type Shape, action, keyed, options as checked } from "./given.js";
import type { Glue, Instance, WasmBytes, WasmModule, WasmSource } from "./instance.js";
import type { NodeFiles } from "./node/files.js";
import { type OpenOptions, openOn } from "./open.js";
import type { Runstate } from "./runstate.js";

/** What a host brings beside the WebAssembly. */
export interface Provided {
  /** Compiles sources for `cvm.load`, as `compile` of `runstate/compiler` does. */
  compile?: Compile;
  /** Keeps `file:` stores, as `files` of `runstate/node` does; only with the WebAssembly for Node. */
  files?: NodeFiles;
}

const PROVIDED: Shape<Provided> = { compile: action, files: { ...keyed, what: "an object as `files` of `runstate/node`" } };

/** A runtime that its host begins. */
export class Slim {
  #provided: Provided = {};

  constructor(private readonly runtime: Instance) {}

  readonly init = (source: WasmSource, provide: Provided = {}): Promise<void> =>
    this.#begin((glue) => glue.default({ module_or_path: source }), provide);

  readonly initWith = (module: WasmBytes | WasmModule, provide: Provided = {}): Promise<void> =>
    this.#begin((glue) => glue.initSync({ module }), provide);

  async #begin(start: (glue: Glue) => unknown, provide: Provided): Promise<void> {
    checked("init", provide, PROVIDED);
    const glue = await this.runtime.begin(start);
    this.#provided = { ...this.#provided, ...provide };
    if (provide.files !== undefined) glue.provideFiles?.(provide.files);
  }

  readonly open = (url: string, options?: OpenOptions): Promise<Runstate> => {
    const begun = this.runtime.begun;
    if (begun === undefined) return Promise.reject(usage("`runstate/slim` was not begun; `await init(…)` with its WebAssembly first"));
    return openOn({ instance: this.runtime, begin: () => begun, compile: this.#provided.compile }, url, options);
  };
}
