// A WebAssembly of the package: its location, its compilation, and the errors of both. Every failure is a `RunstateError` that names the remedy.
// Compilation never blocks the thread.

import { RunstateError, usage } from "./errors.js";
import type { Fetched, WasmBytes, WasmModule, WasmSource } from "./instance.js";
import type { ErrorCode } from "./wire.js";

/** A WebAssembly of the package. */
export interface WasmFile {
  /** Its file in `dist`. */
  readonly file: string;
  /** The specifier by which programs import it. */
  readonly specifier: string;
  /** The line that brings its bytes. */
  readonly bring: string;
}

/** The runtime of pages. */
export const PAGE: WasmFile = {
  file: "runstate_bg.wasm",
  specifier: "runstate/runstate.wasm",
  bring: 'import { init, open } from "runstate/slim"; await init(bytes)',
};

/** The runtime of Node. */
export const NODE: WasmFile = { ...PAGE, file: "runstate_node_bg.wasm", specifier: "runstate/node.wasm" };

/** The compiler. */
export const COMPILER: WasmFile = {
  file: "runstate_compiler_bg.wasm",
  specifier: "runstate/compiler.wasm",
  bring: 'import { init } from "runstate/compiler"; await init(bytes)',
};

/** The address of the classic script that contains this code; a module has none. Browsers reveal it only while the script first runs. */
const script = (globalThis.document?.currentScript as { src?: string } | null | undefined)?.src || undefined;

/**
 * The address of a file beside this script: by the module's own address, which bundlers make one of an asset, else, in the formats that have no
 * `import.meta` (CommonJS, IIFE), by that of the classic script or worker.
 */
export function locate(wasm: WasmFile, byModule: () => URL): URL {
  const worker = typeof document === "undefined" ? globalThis.location?.href : undefined;
  for (const address of [byModule, () => new URL(wasm.file, script ?? worker)]) {
    try {
      return address();
    } catch {
      // The script has no address, or one that has no neighbours (`blob:`, `data:`).
    }
  }
  throw explainFailure(wasm, "io", "this script does not know its own address: in the formats cjs and iife, and in `blob:` scripts, it has none here");
}

/** The error of a WebAssembly that cannot be loaded. `why`: the cause in words; `copyTo`: the place in which a copy is found. */
export function explainFailure(wasm: WasmFile, code: ErrorCode, why: string, cause?: unknown, copyTo = "beside the bundle"): RunstateError {
  const copy = `Copy node_modules/runstate/dist/${wasm.file} ${copyTo}`;
  const message = `${wasm.file} cannot be loaded: ${why}. ${copy}, or bring it: ${wasm.bring}, the bytes of ${wasm.specifier}`;
  return new RunstateError({ code, message, retryable: code === "unavailable" }, cause === undefined ? undefined : { cause });
}

/** Compiles a WebAssembly that comes from `source`. */
export async function compileWasm(wasm: WasmFile, source: WasmSource): Promise<WasmModule> {
  if (typeof WebAssembly === "undefined") {
    throw new RunstateError({ code: "unsupported", message: "this host has no WebAssembly, or it is turned off" });
  }
  const given = await fetchSource(wasm, source);
  if (isModule(given)) return given;
  if (isFetched(given)) return compileResponse(wasm, given);
  if (!isBytes(given)) {
    throw usage(`the source of ${wasm.specifier} is its address, a response, its bytes or its module, not ${describe(given)}`);
  }
  return compileBytes(wasm, given, "the given source");
}

/** Fetches the source where it is an address, and awaits it where it is a promise. */
async function fetchSource(wasm: WasmFile, source: WasmSource): Promise<unknown> {
  const address = typeof source === "string" || classOf(source) === "URL" ? String(source) : undefined;
  try {
    return await (address === undefined ? source : fetch(address));
  } catch (cause) {
    if (cause instanceof RunstateError) throw cause;
    if (typeof fetch === "undefined") throw explainFailure(wasm, "unsupported", "this host has no `fetch`", cause);
    const causes = "there is no network, or this host does not fetch such addresses, or a Content-Security-Policy lacks it in `connect-src`";
    const why = `${address ?? "its address"} cannot be fetched (${messageOf(cause)}): ${causes}`;
    throw explainFailure(wasm, "unavailable", why, cause);
  }
}

async function compileResponse(wasm: WasmFile, response: Fetched & Partial<Response>): Promise<WasmModule> {
  const address = response.url || "its address";
  if (response.ok === false) {
    const passes = response.status === 429 || (response.status ?? 0) >= 500;
    throw explainFailure(wasm, passes ? "unavailable" : "io", `the server answered ${response.status} for ${address}`, undefined, `to ${address}`);
  }
  const typed = response.headers?.get("content-type")?.startsWith("application/wasm") === true;
  try {
    if (typed && typeof WebAssembly.compileStreaming === "function") return await WebAssembly.compileStreaming(response as Response);
    const bytes = await response.arrayBuffer();
    return await compileBytes(wasm, bytes, address);
  } catch (cause) {
    if (cause instanceof RunstateError) throw cause;
    // The connection failed, not the bytes.
    if (cause instanceof TypeError) throw explainFailure(wasm, "unavailable", `${address} broke off (${messageOf(cause)})`, cause);
    throw explainRefusal(wasm, address, cause);
  }
}

/** Compiles bytes; `from` names their origin in errors. */
export async function compileBytes(wasm: WasmFile, bytes: WasmBytes, from: string): Promise<WasmModule> {
  const begin = new Uint8Array(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes, ArrayBuffer.isView(bytes) ? bytes.byteOffset : 0).subarray(0, 16);
  if (String.fromCharCode(...begin.subarray(0, 4)) !== "\0asm") {
    const text = new TextDecoder().decode(begin.subarray(0, bytes.byteLength));
    const page = text.trimStart().startsWith("<") ? ", a page: the server has no such file and answers with another one" : "";
    throw explainFailure(wasm, "io", `${from} is not WebAssembly but begins with ${JSON.stringify(text)}${page}`);
  }
  try {
    return await WebAssembly.compile(bytes as BufferSource);
  } catch (cause) {
    throw explainRefusal(wasm, from, cause);
  }
}

/** The error of a WebAssembly that was loaded and cannot be compiled or begun. */
export function explainRefusal(wasm: WasmFile, from: string, cause: unknown): RunstateError {
  if (/content.security.policy|\bcsp\b|unsafe-eval/i.test(messageOf(cause))) {
    const message = `the Content-Security-Policy of this page forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src (${messageOf(cause)})`;
    return new RunstateError({ code: "unsupported", message }, { cause });
  }
  const why = `${from} is damaged, or is not the ${wasm.specifier} of this version (${messageOf(cause)})`;
  return explainFailure(wasm, "io", why, cause);
}

/** The class of a value, also of one from another realm (a frame, a test of Jest). */
function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

function isModule(value: unknown): value is WasmModule {
  return classOf(value) === "WebAssembly.Module";
}

function isFetched(value: unknown): value is Fetched {
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
