// The engine: the download of its WebAssembly, the open store that all parts of the page share, and its changes.

import { computed, effect, signal } from "@preact/signals";
import { compile as compileSource, init as initCompiler } from "runstate/compiler";
import compilerUrl from "runstate/compiler.wasm?url";
import engineUrl from "runstate/node.wasm?url";
import { init, open, type Runstate } from "runstate/full";

import { explain, hasCode, notices, notifyError, type Explanation } from "./notices";

/** The downloaded part of the engine, from 0 to 1. */
export const downloadProgress = signal(0);

export const store = signal<Runstate | null>(null);

/** Why no store is open, why it is not the requested one, or why it is read-only; null if it is open without a
 * problem. */
export const problem = signal<Explanation | null>(null);

export const isOpening = computed(() => store.value === null && problem.value === null);

const MEMORY = "memory:";

/** Whether committed data survives this tab. */
export const isDurable = computed(() => store.value !== null && store.value.url !== MEMORY);

export function engine(): Runstate {
  if (store.value === null) throw new Error("the engine is not loaded yet");
  return store.value;
}

/**
 * Opens the store that the address requests (`?store=indexeddb:NAME` or `?store=memory:`), by default the demo's own
 * database. Falls back to memory if the browser provides no database, permanently or for now. Resolves to null if no
 * store can be opened.
 */
export async function openSession(): Promise<Runstate | null> {
  const requested = new URLSearchParams(location.search).get("store") ?? "";
  const url = /^(indexeddb:.+|memory:)$/.test(requested) ? requested : "indexeddb:runstate-demo";
  try {
    await init(await engineModule(), { compile });
    await openStore(url).catch(openMemory);
  } catch (error) {
    problem.value = explain(error);
  }
  return store.value;
}

async function openStore(url: string): Promise<void> {
  const rs = await open(url);
  const health = await rs.health();
  problem.value = health === null ? null : explain(health);
  store.value = rs;
}

async function openMemory(error: unknown): Promise<void> {
  if (!hasCode(error, "unsupported", "unavailable")) throw error;
  await openStore(MEMORY);
  const advice = "Programs run in memory and are lost when this tab closes. Close other tabs of this page, or leave the private window, then reload.";
  problem.value = { title: "Nothing is saved: this browser does not open the database", text: `${error.message}. ${advice}` };
}

// A newer page may have upgraded the store, or the engine may have stopped after an internal error.
effect(() => void (notices.value.some(({ isError }) => isError) && checkHealth()));

async function checkHealth(): Promise<void> {
  const health = await store.peek()?.health().catch((error: unknown) => error);
  if (health !== null && health !== undefined) problem.value ??= explain(health);
}

/** The engine's module, which the page and its workers share. */
export function engineModule(): Promise<WebAssembly.Module> {
  return loadModule(engineUrl);
}

/** Downloads the compiler. It is needed for the first program, and later without a network. */
export async function loadCompiler(): Promise<void> {
  await loadModule(compilerUrl);
}

export const compile: typeof compileSource = async (...source) => {
  await initCompiler(loadModule(compilerUrl));
  return compileSource(...source);
};

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** Downloads a module once. After a failed download the next call tries it again. */
function loadModule(url: string): Promise<WebAssembly.Module> {
  let module = modules.get(url);
  if (module === undefined) {
    module = download(url).catch((error: unknown) => {
      modules.delete(url);
      throw new Error(`${url} cannot be downloaded: ${explain(error).text}. Check the connection and reload the page`);
    });
    modules.set(url, module);
  }
  return module;
}

/** Compiles a module while it downloads. */
async function download(url: string): Promise<WebAssembly.Module> {
  // `vite.config.ts` packs the files of the built page; the development server does not.
  if (!import.meta.env.PROD) return WebAssembly.compileStreaming(fetch(url));
  const { ok, status, body, headers } = await fetch(`${url}.gzip`);
  if (!ok || body === null) throw new Error(`the server answered ${status}`);
  let received = 0;
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      received += chunk.byteLength;
      if (url === engineUrl) downloadProgress.value = Math.min(1, received / Number(headers.get("content-length")));
      controller.enqueue(chunk);
    },
  });
  const bytes = body.pipeThrough(counter).pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compileStreaming(new Response(bytes, { headers: { "content-type": "application/wasm" } }));
}

/** How long changes are collected, in milliseconds; users do not notice such a delay. A burst of a thousand commits
 * causes only a few repaints. */
const BATCH_MS = 60;

/** The pause before something is followed again after a failure, in milliseconds. */
const RETRY_MS = 1_000;

/** The ids of the executions that the last commits of any tab changed, with their calls and output; null if any may
 * have changed. */
export const changedIds = signal<Set<string> | null>(null);

/** Follows something until the store is closed. After a failure it is followed again. */
export async function untilClosed(follow: () => Promise<void>, onFailure: () => void = () => {}): Promise<void> {
  for (;;) {
    try {
      return await follow();
    } catch (error) {
      if (hasCode(error, "closed", "internal")) return;
      onFailure();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Follows the change feed while the page is open. */
export async function followChanges(rs: Runstate): Promise<void> {
  let batch: typeof changedIds.value = new Set();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deliver = () => {
    timer = undefined;
    changedIds.value = batch;
    batch = new Set();
  };
  const follow = async () => {
    for await (const { executionId } of rs.runs.changes()) {
      if (executionId === undefined) continue;
      batch?.add(executionId);
      timer ??= setTimeout(deliver, BATCH_MS);
    }
  };
  // Usually `position_expired`, after a long sleep of the tab. Changes may be missing, so everything is read again.
  await untilClosed(follow, () => {
    batch = null;
    deliver();
  });
}

/** Returns a function that calls `read` once more after each request. It never reads twice at a time. Errors are shown
 * as notices. */
export function makeRefresh(read: () => Promise<void>): () => void {
  let reading = false;
  let stale = false;
  return async () => {
    stale = true;
    if (reading) return;
    reading = true;
    while (stale) {
      stale = false;
      await read().catch(notifyError);
    }
    reading = false;
  };
}
