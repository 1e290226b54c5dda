// The engine's WebAssembly: downloaded with its progress shown, compiled while it comes. There is one module for the page and its workers.

import { signal } from "@preact/signals";
import unpackedUrl from "runstate/runstate.wasm?url";

import { ASSETS } from "../../build/cache";

/** How much of the engine is downloaded, from 0 to 1. */
export const downloaded = signal(0);

let module: Promise<WebAssembly.Module> | undefined;
let copying: Promise<void> = Promise.resolve();

/** The engine, downloaded once. A download that failed may be tried again. */
export function engineModule(): Promise<WebAssembly.Module> {
  module ??= load().catch((error: unknown) => {
    module = undefined;
    throw error;
  });
  return module;
}

/** Comes to its end when the engine is downloaded and kept. */
export async function engineKept(): Promise<void> {
  await engineModule();
  await copying;
}

async function load(): Promise<WebAssembly.Module> {
  // `build/preload.ts` puts it into the page; a page that is being developed has none.
  const link = document.querySelector<HTMLLinkElement>("link#engine");
  if (link === null) return WebAssembly.compileStreaming(fetch(unpackedUrl));
  const response = await fetch(link.href).catch((error: unknown) => refuse(link.href, error));
  if (!response.ok || response.body === null) return refuse(link.href, `the server answered ${response.status}`);
  copying = keep(link.href, response);
  const bytes = response.body
    .pipeThrough(counted(Number(link.dataset["bytes"])))
    .pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compileStreaming(new Response(bytes, { headers: { "content-type": "application/wasm" } }));
}

function refuse(url: string, why: unknown): never {
  throw new Error(`the engine cannot be downloaded from ${url}: ${why instanceof Error ? why.message : String(why)}`);
}

function counted(total: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      downloaded.value = Math.min(1, bytes / total);
      controller.enqueue(chunk);
    },
  });
}

/** Keeps it for the service worker, which is not there yet on the first visit: it would download it again. */
async function keep(url: string, response: Response): Promise<void> {
  if (navigator.serviceWorker?.controller !== null || !("caches" in window)) return;
  const copy = response.clone();
  try {
    await (await caches.open(ASSETS)).put(url, copy);
  } catch (error) {
    console.info("runstate: the engine is not kept for offline use:", error);
  }
}
