// The engine's WebAssembly. It is compiled while it downloads, and the page shows the progress. The page and its workers share one module.

import { signal } from "@preact/signals";
import unpackedUrl from "runstate/runstate.wasm?url";

import { ASSETS_CACHE } from "../../build/cache";

/** The downloaded part of the engine, from 0 to 1. */
export const downloadProgress = signal(0);

let module: Promise<WebAssembly.Module> | undefined;
let caching: Promise<void> = Promise.resolve();

/** Downloads the engine once. After a failed download the next call tries it again. */
export function engineModule(): Promise<WebAssembly.Module> {
  module ??= load().catch((error: unknown) => {
    module = undefined;
    throw error;
  });
  return module;
}

/** Resolves when the engine is downloaded and cached. */
export async function engineCached(): Promise<void> {
  await engineModule();
  await caching;
}

async function load(): Promise<WebAssembly.Module> {
  // `build/preload.ts` adds the link to the built page; the development server has none.
  const link = document.querySelector<HTMLLinkElement>("link#engine");
  if (link === null) return WebAssembly.compileStreaming(fetch(unpackedUrl));
  const response = await fetch(link.href).catch((error: unknown) => failDownload(link.href, error));
  if (!response.ok || response.body === null) return failDownload(link.href, `the server answered ${response.status}`);
  caching = cacheResponse(link.href, response);
  const bytes = response.body
    .pipeThrough(countBytes(Number(link.dataset["bytes"])))
    .pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compileStreaming(new Response(bytes, { headers: { "content-type": "application/wasm" } }));
}

function failDownload(url: string, cause: unknown): never {
  throw new Error(`the engine cannot be downloaded from ${url}: ${cause instanceof Error ? cause.message : String(cause)}`);
}

function countBytes(total: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      downloadProgress.value = Math.min(1, bytes / total);
      controller.enqueue(chunk);
    },
  });
}

/** Caches the response for the service worker, which is not active yet at the first visit and would download the file again. */
async function cacheResponse(url: string, response: Response): Promise<void> {
  if (navigator.serviceWorker?.controller !== null || !("caches" in window)) return;
  const copy = response.clone();
  try {
    await (await caches.open(ASSETS_CACHE)).put(url, copy);
  } catch (error) {
    console.info("runstate: the engine is not cached for offline use:", error);
  }
}
