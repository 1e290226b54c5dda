// The compiler. It is downloaded for the first program, once the service worker can cache the download.

import { signal } from "@preact/signals";
import type { CompiledSource } from "runstate";

import { offlineReady } from "../page/offline";

/** Whether a program waits for the compiler. */
export const isCompilerLoading = signal(false);

let isLoaded = false;

/** Compiles a source. */
export async function compile(name: string, source: string): Promise<CompiledSource> {
  isCompilerLoading.value = !isLoaded;
  try {
    await offlineReady;
    const compiler = await import("runstate/compiler");
    await compiler.load();
    isLoaded = true;
    return await compiler.compile(name, source);
  } finally {
    isCompilerLoading.value = false;
  }
}
