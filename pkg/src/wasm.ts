// The WebAssembly modules of the package: their location, their compilation, and the errors of both. Every failure is
// a `RunstateError` that names the remedy. Compilation never blocks the thread.

import { RunstateError, usageError } from "./errors.js";
import type { WasmResponse, WasmBytes, WasmModule, WasmSource } from "./instance.js";
import type { ErrorCode } from "./wire.js";

/** A WebAssembly module of the package. */
export interface WasmFile {
  /** The name of its file in `dist`. */
  readonly file: string;
  /** The specifier by which programs import it. */
  readonly specifier: string;
  /** The code that loads it from bytes, for errors. */
  readonly initSnippet: string;
  /** What works without it, for errors. */
  readonly without?: string;
}

export const BROWSER_WASM: WasmFile = {
  file: "runstate_bg.wasm",
  specifier: "runstate/runstate.wasm",
  initSnippet: 'import { init, open } from "runstate/slim"; await init(bytes)',
};

export const NODE_WASM: WasmFile = { ...BROWSER_WASM, file: "runstate_node_bg.wasm", specifier: "runstate/node.wasm" };

export const COMPILER_WASM: WasmFile = {
  file: "runstate_compiler_bg.wasm",
  specifier: "runstate/compiler.wasm",
  initSnippet: 'import { init } from "runstate/compiler"; await init(bytes)',
  without: "Without the compiler, executions continue, and programs that were loaded before start by their names",
};

/** The address of the classic script that contains this code; undefined in a module. Browsers provide it only while
 * the script first runs. */
const scriptUrl = (globalThis.document?.currentScript as { src?: string } | null | undefined)?.src || undefined;

/**
 * The address of a file beside this script. `byModule` derives it from the address of the module, which bundlers
 * replace by that of an asset. The formats without `import.meta` (CommonJS, IIFE) use the address of the classic
 * script or worker.
 */
export function locate(wasm: WasmFile, byModule: () => URL): string {
  const worker = typeof document === "undefined" ? globalThis.location?.href : undefined;
  for (const address of [byModule, () => new URL(wasm.file, scriptUrl ?? worker)]) {
    try {
      // The development server of Vite 7 and older moves the modules of packages to `.vite/deps`, but not their assets.
      return String(address()).replace("/.vite/deps/", "/runstate/dist/");
    } catch {
      // The script has no address, or one that relative addresses cannot use (`blob:`, `data:`).
    }
  }
  throw explainFailure(wasm, "io", "the address of this script is unknown, as in the formats cjs and iife and in `blob:` scripts");
}

/** The error of a module that cannot be loaded. `reason` is the cause; `copyTo` is the place where a copy would be
 * found. */
export function explainFailure(wasm: WasmFile, code: ErrorCode, reason: string, cause?: unknown, copyTo = "beside the bundle"): RunstateError {
  const copy = `Copy node_modules/runstate/dist/${wasm.file} ${copyTo}`;
  const without = wasm.without === undefined ? "" : `. ${wasm.without}`;
  const message = `${wasm.file} cannot be loaded: ${reason}. ${copy}, or pass the bytes of ${wasm.specifier}: ${wasm.initSnippet}${without}`;
  return new RunstateError({ code, message, retryable: code === "unavailable" }, cause === undefined ? undefined : { cause });
}

/** Imports the script of the compiler, as pages do when they first compile. Errors: `unavailable`. */
export function importCompiler<T>(file: string, load: () => Promise<T>): Promise<T> {
  return importPart(`the compiler (${file}, or the chunk of a bundle that has it)`, load, COMPILER_WASM.without);
}

/** Imports a script of the package that pages load when they first need it. Errors: `unavailable`. */
export async function importPart<T>(part: string, load: () => Promise<T>, without = ""): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const remedy = "Serve all files of the bundle, and try again with a network; a browser may need to reload the page for that";
    const message = `${part} cannot be loaded: ${messageOf(cause)}. ${without && `${without}. `}${remedy}`;
    throw new RunstateError({ code: "unavailable", message, retryable: true }, { cause });
  }
}

/** Compiles a module from `source`. */
export async function compileWasm(wasm: WasmFile, source: WasmSource): Promise<WasmModule> {
  if (typeof WebAssembly === "undefined") {
    throw new RunstateError({ code: "unsupported", message: `${wasm.file} cannot be loaded: this host has no WebAssembly, or it is turned off. Turn it on, or use another host` });
  }
  const fetched = await fetchSource(wasm, source);
  if (isModule(fetched)) return fetched;
  if (isWasmResponse(fetched)) return compileResponse(wasm, fetched);
  if (!isBytes(fetched)) {
    throw usageError(`the source of ${wasm.specifier} must be a URL, a response, bytes or a module, not ${describe(fetched)}`);
  }
  return compileBytes(wasm, fetched, "the given source");
}

/** Fetches a source that is a URL, and awaits one that is a promise. */
async function fetchSource(wasm: WasmFile, source: WasmSource): Promise<unknown> {
  const address = typeof source === "string" || classOf(source) === "URL" ? String(source) : undefined;
  try {
    return await (address === undefined ? source : fetch(address));
  } catch (cause) {
    if (cause instanceof RunstateError) throw cause;
    if (typeof fetch === "undefined") throw explainFailure(wasm, "unsupported", "this host has no `fetch`", cause);
    const causes = "there is no network, or this host does not fetch such addresses, or a Content-Security-Policy lacks it in `connect-src`";
    const reason = `${address ?? "its address"} cannot be fetched (${messageOf(cause)}): ${causes}`;
    throw explainFailure(wasm, "unavailable", reason, cause);
  }
}

async function compileResponse(wasm: WasmFile, response: WasmResponse & Partial<Response>): Promise<WasmModule> {
  const address = response.url || "its address";
  if (response.ok === false) {
    const isTemporary = response.status === 429 || (response.status ?? 0) >= 500;
    throw explainFailure(wasm, isTemporary ? "unavailable" : "io", `the server answered ${response.status} for ${address}`, undefined, `to ${address}`);
  }
  const typed = response.headers?.get("content-type")?.startsWith("application/wasm") === true;
  try {
    if (typed && typeof WebAssembly.compileStreaming === "function") return await WebAssembly.compileStreaming(response as Response);
    const bytes = await response.arrayBuffer();
    return await compileBytes(wasm, bytes, address);
  } catch (cause) {
    if (cause instanceof RunstateError) throw cause;
    // A TypeError means that the connection failed; the bytes may be right.
    if (cause instanceof TypeError) throw explainFailure(wasm, "unavailable", `the download of ${address} was interrupted (${messageOf(cause)})`, cause);
    throw explainRefusal(wasm, address, cause);
  }
}

/** Compiles bytes; `from` names their origin in errors. */
export async function compileBytes(wasm: WasmFile, bytes: WasmBytes, from: string): Promise<WasmModule> {
  const head = new Uint8Array(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes, ArrayBuffer.isView(bytes) ? bytes.byteOffset : 0).subarray(0, 16);
  if (String.fromCharCode(...head.subarray(0, 4)) !== "\0asm") {
    const text = new TextDecoder().decode(head.subarray(0, bytes.byteLength));
    const page = text.trimStart().startsWith("<") ? ", a page: the server has no such file and returned another one" : "";
    throw explainFailure(wasm, "io", `${from} is not WebAssembly but begins with ${JSON.stringify(text)}${page}`);
  }
  try {
    return await WebAssembly.compile(bytes as BufferSource);
  } catch (cause) {
    throw explainRefusal(wasm, from, cause);
  }
}

/** The error of a module that was loaded but cannot be compiled or instantiated. */
export function explainRefusal(wasm: WasmFile, from: string, cause: unknown): RunstateError {
  if (/content.security.policy|\bcsp\b|unsafe-eval/i.test(messageOf(cause))) {
    const message = `the Content-Security-Policy of this page forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src (${messageOf(cause)})`;
    return new RunstateError({ code: "unsupported", message }, { cause });
  }
  const reason = `${from} is damaged, or is not the ${wasm.specifier} of this version (${messageOf(cause)})`;
  return explainFailure(wasm, "io", reason, cause);
}

/** The class of a value, also of one from another realm (a frame, a test of Jest). */
function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

function isModule(value: unknown): value is WasmModule {
  return classOf(value) === "WebAssembly.Module";
}

function isWasmResponse(value: unknown): value is WasmResponse {
  return typeof value === "object" && value !== null && "arrayBuffer" in value && typeof value.arrayBuffer === "function";
}

function isBytes(value: unknown): value is WasmBytes {
  return ArrayBuffer.isView(value) || classOf(value) === "ArrayBuffer" || classOf(value) === "SharedArrayBuffer";
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function describe(value: unknown): string {
  return value === null || typeof value !== "object" ? String(value) : classOf(value);
}
