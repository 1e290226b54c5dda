// runstate in Node: the WebAssembly beside this folder, with its files over node:fs. Values come in and go out as plain
// JavaScript; the WebAssembly itself takes JSON text.

import { readFileSync } from "node:fs";

import { Runstate as Engine, initSync, provideFiles, showPanics, version } from "../runstate.js";
import { files } from "./fs.js";

initSync({ module: readFileSync(new URL("../runstate_bg.wasm", import.meta.url)) });
showPanics();
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
    return new Runstate(await told(Engine.open(text(url, "the URL of the store"))));
  }

  async load(load) {
    return parsed(this.#engine.load(json(load)));
  }

  async start(start) {
    return parsed(this.#engine.start(json(start)));
  }

  async next(execution) {
    return parsed(this.#engine.next(text(execution, "the id of the execution")));
  }

  async answer(execution, answer, options = {}) {
    const call = options.call === undefined ? undefined : text(options.call, "the id of the call");
    return parsed(this.#engine.answer(text(execution, "the id of the execution"), call, json(answer)));
  }

  async show(execution) {
    return parsed(this.#engine.show(text(execution, "the id of the execution")));
  }

  async close() {
    await told(this.#engine.close());
  }
}

async function parsed(call) {
  return JSON.parse(await told(call));
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
