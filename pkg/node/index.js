// runstate in Node: the WebAssembly beside this folder, with its files over node:fs. Values come in and go out as plain
// JavaScript; the WebAssembly itself takes JSON text.

import { readFileSync } from "node:fs";

import { Runstate as Engine, initSync, onPanic, provideFiles, version } from "../runstate.js";
import { files } from "./fs.js";

initSync({ module: readFileSync(new URL("../runstate_bg.wasm", import.meta.url)) });
onPanic((message) => console.error(`runstate: ${message}`));
provideFiles(files);

export { version };

export class RunstateError extends Error {
  constructor({ code, message, retryable, collection, key, details }) {
    super(message);
    this.name = "RunstateError";
    this.code = code;
    this.retryable = retryable ?? false;
    this.collection = collection;
    this.key = key;
    this.details = details;
  }
}

export async function open(url) {
  return Runstate.open(url);
}

export class Runstate {
  #engine;

  constructor(engine) {
    this.#engine = engine;
  }

  static async open(url) {
    return new Runstate(await told(Engine.open(text(url, "the URL of the store"), "{}")));
  }

  async load({ name, source, bytecode, compiler, description, tags }) {
    return this.#call("cvm.load", { name, source, bytecode, compiler, description, tags });
  }

  async start({ program, id, input }) {
    return this.#call("cvm.start", { program, id, input });
  }

  async next(execution) {
    return this.#call("cvm.next", { id: execution });
  }

  async answer(execution, answer, { call, key, occurrence, by } = {}) {
    return this.#call("cvm.answer", { id: execution, answer: answer ?? null, call, key, occurrence, by });
  }

  async pause(execution) {
    return this.#call("cvm.pause", { id: execution });
  }

  async unpause(execution) {
    return this.#call("cvm.unpause", { id: execution });
  }

  async cancel(execution) {
    return this.#call("cvm.cancel", { id: execution });
  }

  async retry(execution) {
    return this.#call("cvm.retry", { id: execution });
  }

  async delete(execution) {
    await this.#call("cvm.delete", { id: execution });
  }

  async claim({ kinds, call, owner, leaseMs }) {
    return this.#call("cvm.claim", { kinds, call, owner, leaseMs });
  }

  async heartbeat({ claimed }, leaseMs) {
    return this.#call("cvm.heartbeat", { claimed, leaseMs });
  }

  async complete({ claimed }, answer, { by } = {}) {
    return this.#call("cvm.complete", { claimed, answer: answer ?? null, by });
  }

  async fail({ claimed }, message, { name, by, retry } = {}) {
    return this.#call("cvm.fail", { claimed, message, name, by, retry });
  }

  async release({ claimed }) {
    await this.#call("cvm.release", { claimed });
  }

  async runDue(limit) {
    return this.#call("cvm.runDue", { limit });
  }

  async nextDue() {
    return this.#call("cvm.nextDue", {});
  }

  async show(execution) {
    return this.#call("cvm.show", { id: execution });
  }

  async close() {
    await told(this.#engine.close());
  }

  async #call(method, params) {
    return JSON.parse(await told(this.#engine.call(method, json(params))));
  }
}

/** What the WebAssembly throws is an error as JSON text; all else is a defect and stays what it is. */
async function told(call) {
  try {
    return await call;
  } catch (thrown) {
    throw typeof thrown === "string" ? new RunstateError(fields(thrown)) : thrown;
  }
}

function fields(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { code: "internal", message: text };
  }
}

function json(value) {
  let text;
  try {
    text = JSON.stringify(value ?? null);
  } catch (error) {
    throw new RunstateError({ code: "usage", message: `the value cannot be written as JSON: ${error.message}` });
  }
  if (text === undefined) {
    throw new RunstateError({ code: "usage", message: `a ${typeof value} cannot be written as JSON` });
  }
  return text;
}

function text(value, what) {
  if (typeof value !== "string") {
    throw new RunstateError({ code: "usage", message: `${what} is a string, and this is ${typeof value}` });
  }
  return value;
}
