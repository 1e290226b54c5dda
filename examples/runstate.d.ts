// The globals of programs besides those of JavaScript. Put this file beside your programs (or name it in tsconfig's
// `include`), so that an editor checks them. `"moduleDetection": "force"` there lets each program have a `main` of its
// own.
/// <reference lib="esnext.iterator" />

/** A plain value: a value that JSON can represent. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A choice of a question. */
type Choice = string | number | boolean;

/** The cost of a call, and the owner whose budgets have it. */
interface CallCost {
  /** The id of the owner: a project, or any other id that has a budget. */
  owner: string;
  /** The resource. */
  resource: "money" | "time" | "api_calls" | "cpu" | "memory" | "storage" | "network";
  /** The amount, 0 or more; rounded to six digits after the point. */
  amount: number | string;
  /** The unit of the amount: that of the budgets. */
  unit: "CAD" | "USD" | "minutes" | "hours" | "calls" | "gb" | "gb_hours";
  /** The part of the resource, such as `claude_api`, of at most 50 characters. */
  subtype?: string;
  /**
   * What happens when a budget lacks the cost. `"wait"`, by default: the call waits until the budget has it. `"ask"`:
   * it waits for an approval, which raises the budget by what it lacks. A rejection throws a `RejectedError`.
   */
  onRefused?: "wait" | "ask";
}

/** Options of every call. */
interface AskOptions {
  /**
   * A name for this call within its execution, of 1 to 200 bytes. With the key, the call can be answered before the
   * program makes it: the answer is stored until then. Calls with the same key are counted, and each has its own
   * answer.
   */
  key?: string;
  /**
   * Milliseconds until the call is closed, or a text such as `"5s"` or `"1.5h"`; at most 100 years. Then `default` is the answer; without a default, the
   * call throws a {@link TimeoutError}.
   */
  timeoutMs?: number | string;
  /** The answer if none arrived in time. */
  default?: unknown;
  /**
   * The cost of the call. It is reserved when a worker claims the call, and used when the call is answered. A call
   * whose cost a budget does not have waits until the budget has it.
   */
  cost?: CallCost;
  /**
   * Cancels the call: when the signal is aborted, the call is closed, and its promise is rejected with the reason. A
   * signal that is aborted already opens no call. The value of a call whose options are written with a signal is a
   * promise; other options with a signal need a place that takes a promise, such as `await` before the call.
   */
  signal?: AbortSignal;
}

/** A question whose answer is text. */
interface TextOptions extends AskOptions {
  choices?: undefined;
  schema?: undefined;
}

/** A question with a list of possible answers. */
interface ChoiceOptions<T extends Choice> extends AskOptions {
  /** The only valid answers. */
  choices: readonly T[];
  schema?: undefined;
}

/** A question whose answer must fit a schema. */
interface SchemaOptions extends AskOptions {
  choices?: readonly Choice[];
  /** The JSON Schema that the answer must fit. */
  schema: object;
}

/** Options of a tool call. */
interface ToolOptions extends AskOptions {
  /** The only valid answers. */
  choices?: readonly Choice[];
  /** The JSON Schema that the answer must fit. */
  schema?: object;
}

/** A question of {@link CC.all}: a prompt, a prompt with options, or a tool call. */
type Question =
  | string
  | ({ prompt: string; tool?: undefined; args?: undefined } & (TextOptions | ChoiceOptions<Choice> | SchemaOptions))
  | ({ tool: string; args?: unknown; prompt?: undefined } & ToolOptions);

/** The type of the answer to a question. */
type Answer<Q> = Q extends string
  ? string
  : Q extends { tool: string }
    ? any
    : Q extends { schema: object }
      ? any
      : Q extends { choices: readonly (infer T)[] }
        ? T
        : string;

/**
 * Asks, and waits for the answer: for seconds or for months. The whole state of the program is saved meanwhile. The
 * answer, of a person or a model, continues the program here.
 *
 * This and every other call blocks the whole program, and its value is the answer. It opens instead and gives a
 * promise, so that many calls are open at once, where the syntax takes a promise: after `await`; before `.then`; in the
 * list of `Promise.all`, `race`, `any` or `allSettled`, also by a callback of `map` there; in what an async function
 * returns; in a variable or list that is only used so. Where both could be meant the call blocks, and `load` and `start`
 * warn of its line. For the type of `.then`, write `Promise.resolve(CC("Name?")).then(greet)`.
 *
 * @param prompt The question: a text or a number.
 * @returns The answer: text; one of the choices, if there are any; a value that fits the schema, if there is one.
 * @throws {TimeoutError} if no answer arrived in time and there is no default.
 *
 * @example
 * const name = CC("What is your name?");
 * const size = CC("Which size?", { choices: ["small", "large"] });
 * const order = CC("What does this order say?", { schema: { type: "object" } });
 * const go = CC("Publish?", { choices: ["yes", "no"], timeoutMs: 86_400_000, default: "no" });
 * const [title, tone] = await Promise.all([CC("A title?"), CC("Which tone?")]);
 * const first = await Promise.race([CC("Now?"), sleep("1h")]);
 */
declare function CC(prompt: string | number, options: TextOptions & { signal: AbortSignal | undefined }): Promise<string>;
declare function CC<const T extends Choice>(prompt: string | number, options: ChoiceOptions<T> & { signal: AbortSignal | undefined }): Promise<T>;
declare function CC(prompt: string | number, options: SchemaOptions & { signal: AbortSignal | undefined }): Promise<any>;
declare function CC(prompt: string | number, options?: TextOptions): string;
declare function CC<const T extends Choice>(prompt: string | number, options: ChoiceOptions<T>): T;
declare function CC(prompt: string | number, options: SchemaOptions): any;

declare namespace CC {
  /**
   * Asks several questions at once, at most 1,000. Each is answered on its own; the program continues after the last
   * answer.
   *
   * @returns The answers, in the order of the questions.
   * @throws the first error in that order, after the last answer.
   *
   * @example
   * const [title, tone] = CC.all(["A title?", { prompt: "Which tone?", choices: ["dry", "warm"] }]);
   * const reviews = CC.all(files.map((file) => ({ prompt: `Review ${file}` })));
   * const pages = CC.all(urls.map((url) => ({ tool: "fetch", args: { url }, timeoutMs: 10_000 })));
   */
  function all<const T extends readonly Question[]>(questions: T): { -readonly [K in keyof T]: Answer<T[K]> };
}

/** The same as {@link CC}. */
declare function ask(prompt: string | number, options: TextOptions & { signal: AbortSignal | undefined }): Promise<string>;
declare function ask<const T extends Choice>(prompt: string | number, options: ChoiceOptions<T> & { signal: AbortSignal | undefined }): Promise<T>;
declare function ask(prompt: string | number, options: SchemaOptions & { signal: AbortSignal | undefined }): Promise<any>;
declare function ask(prompt: string | number, options?: TextOptions): string;
declare function ask<const T extends Choice>(prompt: string | number, options: ChoiceOptions<T>): T;
declare function ask(prompt: string | number, options: SchemaOptions): any;

/** A tool, or the tools within a name. */
interface Tool {
  /** As a callback, as in `list.map(tools.find)`. */
  (args: unknown, index: number, list?: readonly unknown[]): Promise<any>;
  /**
   * Opens a call. Its promise is rejected with an error of the tool's `name`, `message` and `code`, or with a
   * {@link TimeoutError}.
   *
   * @param args The argument, by the rules of `JSON.stringify`.
   */
  (args?: unknown, options?: ToolOptions): Promise<any>;
  readonly [name: string]: Tool;
}

/**
 * The tools: `tools.github.search(args)` calls the tool `github.search`, and is a promise at once. Calls of one turn
 * are open together. Where the tools are known when a program is compiled, other names are refused.
 *
 * @example
 * const { github } = tools;
 * const [issues, user] = await Promise.all([github.search({ query: "bug" }), tools.crm.find({ id: 7 })]);
 * const pages = await Promise.all(urls.map(tools.fetch));
 */
declare const tools: { readonly [name: string]: Tool };

/**
 * Calls a tool: a worker for calls of this name does the work and returns the result.
 *
 * @param tool Its name, of 1 to 100 bytes; not `cc` or `timer`, and not beginning with `fs.`.
 * @param args Its arguments: a plain value.
 * @returns The result of the tool.
 * @throws an error named `CallError` if the tool failed; {@link TimeoutError} if it took too long and there is no
 * default.
 *
 * @example
 * const found = call("search", { query: "durable execution", limit: 5 });
 */
declare function call(tool: string, args: unknown, options: ToolOptions & { signal: AbortSignal | undefined }): Promise<any>;
declare function call(tool: string, args?: unknown, options?: ToolOptions): any;

/**
 * Waits. The program is saved meanwhile, and continues after that time in any process that has the store open. With 0 or
 * a negative number it continues at once.
 *
 * @param time Milliseconds, or a text such as `"250ms"`, `"5s"`, `"1.5h"` or `"2d"`; at most 100 years.
 * @throws {TypeError} for any other value.
 */
declare function sleep(time: number | string): void;

/**
 * Waits until a point in time. If it has passed, the program continues at once.
 *
 * @param moment Milliseconds since 1970, or a text with its zone such as `"2030-01-31T09:00:00Z"`.
 */
declare function sleepUntil(moment: number | string): void;

/**
 * Calls a function later. The timer is a call of the execution, as that of {@link sleep}; until it has ended or is
 * cleared, the execution does not complete.
 *
 * @param callback The function; it gets the other arguments.
 * @param ms Milliseconds, at least 1.
 * @returns The number of the timer, for {@link clearTimeout}.
 */
declare function setTimeout(callback: (...args: any[]) => unknown, ms?: number, ...args: any[]): number;

/**
 * Calls a function again and again. Each repetition is a timer of the execution, as that of {@link setTimeout}, and begins
 * after the function has returned.
 *
 * @returns The number of the timer, for {@link clearInterval}.
 */
declare function setInterval(callback: (...args: any[]) => unknown, ms?: number, ...args: any[]): number;

/** Copies a value with everything in it; shared parts stay shared. Functions are not copied. */
declare function structuredClone<T = any>(value: T, options?: any): T;

/** The Base64 text of a text of bytes (U+0000 to U+00FF). */
declare function btoa(data: string): string;

/** The text of bytes of a Base64 text. */
declare function atob(data: string): string;

/** Calls a function as the next job, before any timer or answer. */
declare function queueMicrotask(callback: () => unknown): void;

/** Stops a timer, so that its function is not called. */
declare function clearTimeout(timer?: number): void;

/** Stops a timer of {@link setInterval}, or one of {@link setTimeout}. */
declare function clearInterval(timer?: number): void;

/** Text as bytes in UTF-8. */
interface TextEncoder {
  readonly encoding: string;
  encode(input?: string): Uint8Array;
  /** Writes as many characters as fit, and returns the units read and the bytes written. */
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { prototype: TextEncoder; new (): TextEncoder };

/** Bytes in UTF-8 as text. */
interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** With `stream`, a character may end in the next call. */
  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare var TextDecoder: {
  prototype: TextDecoder;
  /** With `fatal`, ill-formed bytes are a TypeError instead of U+FFFD. */
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};

/** Random bytes and identifiers, from the seed of the execution: repeatable, so not for secrets. */
declare const crypto: {
  /** Fills a typed array of integers with random bits. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  /** A random UUID (version 4). */
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
};

/** Times of turns. */
declare const performance: {
  /** Milliseconds from the start of the program to the current turn. */
  now(): number;
  /** The start of the program, in milliseconds since 1970. */
  readonly timeOrigin: number;
};

/** The parameters of a query, in order. */
interface URLSearchParams {
  /** The number of parameters. */
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  /** The first value of this name. */
  get(name: string): string | null;
  /** All values of this name. */
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  /** Replaces all values of this name by one. */
  set(name: string, value: string): void;
  /** Sorts by name. */
  sort(): void;
  forEach(callback: (value: string, name: string, parent: URLSearchParams) => void, thisArg?: any): void;
  entries(): IteratorObject<[string, string]>;
  keys(): IteratorObject<string>;
  values(): IteratorObject<string>;
  [Symbol.iterator](): IteratorObject<[string, string]>;
  /** The query without `?`. */
  toString(): string;
}
declare var URLSearchParams: {
  prototype: URLSearchParams;
  new (init?: string | Record<string, string> | Iterable<[string, string]> | URLSearchParams): URLSearchParams;
};

/** A URL (WHATWG). A host beyond ASCII may have letters of the common scripts, in lower case and composed. */
interface URL {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}
declare var URL: {
  prototype: URL;
  /** @throws {TypeError} if the text is not a URL. */
  new (url: string | URL, base?: string | URL): URL;
  /** Whether the text is a URL. */
  canParse(url: string | URL, base?: string | URL): boolean;
  /** The URL, or null if the text is none. */
  parse(url: string | URL, base?: string | URL): URL | null;
};

/** The argument of the listeners of a signal. */
interface Event {
  /** `abort`. */
  readonly type: string;
}

/** Whether an operation was cancelled, and why. */
interface AbortSignal {
  /** Whether it is aborted. */
  readonly aborted: boolean;
  /** The reason; undefined before it is aborted. */
  readonly reason: any;
  /** Is called when it is aborted. */
  onabort: ((this: AbortSignal, ev: Event) => any) | null;
  /** Throws the reason if it is aborted. */
  throwIfAborted(): void;
  /** Adds a function that is called when it is aborted. */
  addEventListener(type: "abort", listener: (this: AbortSignal, ev: Event) => any, options?: boolean | { once?: boolean; signal?: AbortSignal }): void;
  /** Removes a function that was added. */
  removeEventListener(type: "abort", listener: (this: AbortSignal, ev: Event) => any): void;
}
declare var AbortSignal: {
  prototype: AbortSignal;
  new (): AbortSignal;
  /** A signal that is aborted, by default with an error named `AbortError`. */
  abort(reason?: any): AbortSignal;
  /** A signal that is aborted as soon as one of these is. */
  any(signals: AbortSignal[]): AbortSignal;
  /** A signal that is aborted after that time, with an error named `TimeoutError`. The execution completes
   * without it. */
  timeout(milliseconds: number): AbortSignal;
};

/** Aborts a signal: `CC("?", { signal: controller.signal })`. */
interface AbortController {
  /** The signal. */
  readonly signal: AbortSignal;
  /** Aborts the signal once, by default with an error named `AbortError`. */
  abort(reason?: any): void;
}
declare var AbortController: {
  prototype: AbortController;
  new (): AbortController;
};

/** Files in the folders that the host has granted; none unless it did. */
declare namespace fs {
  /**
   * @returns The text of a file, read as UTF-8.
   * @throws errors named `NotFoundError`, `PermissionError`, `CallError`.
   */
  function readFile(path: string): string;
  /**
   * @returns The names in a folder.
   * @throws errors named `NotFoundError`, `PermissionError`, `CallError`.
   */
  function listFiles(path: string): string[];
  /**
   * Writes a file atomically, and replaces an existing one.
   *
   * @throws errors named `NotFoundError`, `PermissionError`, `CallError`.
   */
  function writeFile(path: string, text: string): void;
}

interface ErrorConstructor {
  /** Gives an object a `stack` with the current calls, or with those below a function. */
  captureStackTrace(target: object, below?: Function): void;
}

/** A call was not answered in time, and had no default. */
declare class TimeoutError extends Error {}

/**
 * The execution is cancelled (`cancel --graceful`). All open calls throw it, or the next ones if none is open; timers of
 * `setTimeout` continue. `catch` and `finally` may make further calls until the deadline, which the message names. If the
 * program does not catch it, the execution is cancelled; if it returns, complete.
 */
declare class CancelledError extends Error {}

/** The input of the execution (`--input`); null if none was given. Also the argument of `main`. */
declare const input: any;

/** Output of the execution. It is stored with the execution, line by line. */
interface Console {
  /** Prints its arguments as Node does: objects as `util.inspect` shows them, and `%s %d %i %f %j %o %O %c` in a first
   * text. */
  log(...values: any[]): void;
  /** The same as `log`. */
  error(...values: any[]): void;
  /** The same as `log`. */
  warn(...values: any[]): void;
  /** The same as `log`. */
  info(...values: any[]): void;
  /** The same as `log`. */
  debug(...values: any[]): void;
  /** Prints the values if `condition` is false. */
  assert(condition?: any, ...values: any[]): void;
  /** Prints a value as `util.inspect` shows it, a text in quotes. */
  dir(value?: any): void;
  /** Prints the values, and indents all later lines by two columns. */
  group(...values: any[]): void;
  /** The same as `group`. */
  groupCollapsed(...values: any[]): void;
  /** Ends the innermost group. */
  groupEnd(): void;
  /** Prints how often it was called with this label. */
  count(label?: string): void;
  /** Restarts a count. */
  countReset(label?: string): void;
  /** Begins a timer. Times are those of the turns. */
  time(label?: string): void;
  /** Prints the time of a timer, and the values. */
  timeLog(label?: string, ...values: any[]): void;
  /** Prints the time of a timer, and ends it. */
  timeEnd(label?: string): void;
  /** Prints the rows of an array or object as a table. */
  table(rows: any, columns?: string[]): void;
}
declare var console: Console;
