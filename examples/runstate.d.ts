// What programs find besides JavaScript's own. Put it beside your programs (or name it in tsconfig's `include`), so that an
// editor checks them. `"moduleDetection": "force"` there lets each program have a `main` of its own.

/** A plain value: what JSON can say. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What an answer can be chosen from. */
type Choice = string | number | boolean;

/** How a question is asked, whoever answers it. */
interface AskOptions {
  /**
   * A name for this call within its execution, of 1 to 200 bytes. Whoever knows it can answer before the program asks: the answer
   * is kept, and taken when it does. Calls under one key are counted; each is answered by itself.
   */
  key?: string;
  /**
   * Milliseconds until the call is closed, at most 100 years. Then `default` is the answer; where there is none, the call throws a
   * {@link TimeoutError}.
   */
  timeoutMs?: number;
  /** The answer when nobody answered in time. */
  default?: unknown;
}

/** A question whose answer is text. */
interface TextOptions extends AskOptions {
  choices?: undefined;
  schema?: undefined;
}

/** A question with a choice of answers. */
interface ChoiceOptions<T extends Choice> extends AskOptions {
  /** The only answers that are taken. */
  choices: readonly T[];
  schema?: undefined;
}

/** A question whose answer is a value of a certain form. */
interface SchemaOptions extends AskOptions {
  choices?: readonly Choice[];
  /** The JSON Schema that the answer must fit. */
  schema: object;
}

/** How a tool is called. */
interface ToolOptions extends AskOptions {
  /** The only answers that are taken. */
  choices?: readonly Choice[];
  /** The JSON Schema that the answer must fit. */
  schema?: object;
}

/** A question of {@link CC.all}: its prompt alone, or with options, or a tool to be called. */
type Question =
  | string
  | ({ prompt: string; tool?: undefined; args?: undefined } & (TextOptions | ChoiceOptions<Choice> | SchemaOptions))
  | ({ tool: string; args?: unknown; prompt?: undefined } & ToolOptions);

/** What the answer to a question is. */
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
 * Asks, and waits for the answer: for seconds or for months. The whole state of the program is saved meanwhile; whoever answers
 * (a person, a model, a tool) continues it here.
 *
 * @param prompt The question.
 * @returns The answer: text; one of the choices where there are any; a value that fits the schema where there is one.
 * @throws {TimeoutError} when nobody answered in time and there is no default.
 *
 * @example
 * const name = CC("What is your name?");
 * const size = CC("Which size?", { choices: ["small", "large"] });
 * const order = CC("What does this order say?", { schema: { type: "object" } });
 * const go = CC("Publish?", { choices: ["yes", "no"], timeoutMs: 86_400_000, default: "no" });
 */
declare function CC(prompt: string, options?: TextOptions): string;
declare function CC<const T extends Choice>(prompt: string, options: ChoiceOptions<T>): T;
declare function CC(prompt: string, options: SchemaOptions): any;

declare namespace CC {
  /**
   * Asks several questions at once, at most 1,000. Each is answered by itself; the program goes on when the last answer is in.
   *
   * @returns The answers, in the order of the questions.
   * @throws the first error in that order, when all are in.
   *
   * @example
   * const [title, tone] = CC.all(["A title?", { prompt: "Which tone?", choices: ["dry", "warm"] }]);
   * const reviews = CC.all(files.map((file) => ({ prompt: `Review ${file}` })));
   * const pages = CC.all(urls.map((url) => ({ tool: "fetch", args: { url }, timeoutMs: 10_000 })));
   */
  function all<const T extends readonly Question[]>(questions: T): { -readonly [K in keyof T]: Answer<T[K]> };
}

/**
 * Calls a tool: whoever claims calls of this name does the work and gives the result.
 *
 * @param tool Its name, of 1 to 100 bytes; not `cc` or `timer`, and not beginning with `fs.`.
 * @param args What it is given: a plain value.
 * @returns What the tool gave.
 * @throws an error named `CallError` when the tool failed; {@link TimeoutError} when it took too long and there is no default.
 *
 * @example
 * const found = call("search", { query: "durable execution", limit: 5 });
 */
declare function call(tool: string, args?: unknown, options?: ToolOptions): any;

/**
 * Waits. The program is saved meanwhile, and goes on when the time has come wherever it is then. Nothing to wait for (0, a
 * negative number, NaN) goes on at once.
 *
 * @param ms Milliseconds, at most 100 years.
 */
declare function sleep(ms: number): void;

/**
 * Waits until a moment; one that has passed goes on at once.
 *
 * @param moment Milliseconds since 1970, or a text with its zone such as `"2030-01-31T09:00:00Z"`.
 */
declare function sleepUntil(moment: number | string): void;

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
   * Writes a file whole, in the place of what was there.
   *
   * @throws errors named `NotFoundError`, `PermissionError`, `CallError`.
   */
  function writeFile(path: string, text: string): void;
}

/** A call was not answered in time, and had no default. */
declare class TimeoutError extends Error {}

/** What the execution was started with (`--input`); null where nothing was given. Also the argument of `main`. */
declare const input: any;

/** Output of the execution: it is kept with it, line by line. */
interface Console {
  /** Prints its arguments as Node does: objects as `util.inspect` shows them, and `%s %d %i %f %j %o %O %c` in a first text. */
  log(...values: any[]): void;
  /** The same. */
  error(...values: any[]): void;
}
declare var console: Console;
