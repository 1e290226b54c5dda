// runstate in Node: the WebAssembly beside this folder, with its files over node:fs. Values come in and go out as plain
// JavaScript; the WebAssembly itself takes JSON text.

import { readFileSync } from "node:fs";

import { Runstate as Engine, initSync, provideFiles, showPanics, version } from "../runstate.js";
import { files } from "./fs.js";

initSync({ module: readFileSync(new URL("../runstate_bg.wasm", import.meta.url)) });
showPanics();
provideFiles(files);

export { version };

/** How long a claim is held without a heartbeat, where nothing else is said. */
const LEASE_MS = 30_000;

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
    const [id, by] = [text(execution, "the id of the execution"), optional(options.by, "who answers")];
    if (options.key !== undefined) {
      return parsed(this.#engine.answerKey(id, text(options.key, "the key"), options.occurrence ?? 1, json(answer), by));
    }
    return parsed(this.#engine.answer(id, optional(options.call, "the id of the call"), json(answer), by));
  }

  async pause(execution) {
    return parsed(this.#engine.pause(text(execution, "the id of the execution")));
  }

  async unpause(execution) {
    return parsed(this.#engine.unpause(text(execution, "the id of the execution")));
  }

  async cancel(execution) {
    return parsed(this.#engine.cancel(text(execution, "the id of the execution")));
  }

  async retry(execution) {
    return parsed(this.#engine.retry(text(execution, "the id of the execution")));
  }

  async delete(execution) {
    await told(this.#engine.delete(text(execution, "the id of the execution")));
  }

  async claim({ kinds, call, owner, leaseMs = LEASE_MS }) {
    const of = call === undefined ? { kinds } : { call };
    return parsed(this.#engine.claim(json({ of, owner, lease: leaseMs })));
  }

  async heartbeat({ claimed }, leaseMs = LEASE_MS) {
    return parsed(this.#engine.heartbeat(json(claimed), leaseMs));
  }

  async complete({ claimed }, answer, options = {}) {
    return parsed(this.#engine.complete(json(claimed), json(answer), optional(options.by, "who answers")));
  }

  async fail({ claimed: { execution, call, token } }, message, { name, by, retry } = {}) {
    const again = retry && { attempts: retry.attempts, initial: retry.initialMs, longest: retry.longestMs };
    return parsed(this.#engine.fail(json({ execution, call, token, message, name, by, retry: again })));
  }

  async release({ claimed }) {
    await told(this.#engine.release(json(claimed)));
  }

  async runDue(limit = 1000) {
    return parsed(this.#engine.runDue(limit));
  }

  async nextDue() {
    return parsed(this.#engine.nextDue());
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

function optional(value, what) {
  return value === undefined ? undefined : text(value, what);
}

function text(value, what) {
  if (typeof value !== "string") {
    throw new RunstateError({ code: "usage", message: `${what} is a string, and this is ${typeof value}` });
  }
  return value;
}
