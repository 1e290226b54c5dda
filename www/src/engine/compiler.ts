// The compiler: downloaded for the first program, when the download will be kept.

import { signal } from "@preact/signals";
import type { CompiledSource } from "runstate";

import { kept } from "../page/offline";

/** Whether a program waits for the compiler. */
export const compilerComing = signal(false);

let isLoaded = false;

/** Compiles a source. */
export async function compile(name: string, source: string): Promise<CompiledSource> {
  compilerComing.value = !isLoaded;
  try {
    await kept;
    const compiler = await import("runstate/compiler");
    await compiler.load();
    isLoaded = true;
    return await compiler.compile(name, source);
  } finally {
    compilerComing.value = false;
  }
}
