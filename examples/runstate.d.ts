// What programs find besides JavaScript's own. Put it beside your programs (or name it in tsconfig's `include`), so that an
// editor checks them. `"moduleDetection": "force"` there lets each program have a `main` of its own.

/** A plain value: what JSON can say. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How a question may be answered. */
interface CallOptions<T extends string | number | boolean = string> {
  /** The only answers that are taken. */
  choices?: readonly T[];
}

/**
 * Asks, and waits for the answer: for seconds or for months. The whole state of the program is saved meanwhile; whoever answers
 * (a person, a model, a tool) continues it here.
 *
 * @param prompt The question.
 * @returns The answer; one of the choices where there are any.
 *
 * @example
 * const name = CC("What is your name?");
 * const size = CC("Which size?", { choices: ["small", "large"] });
 */
declare function CC(prompt: string): string;
declare function CC<const T extends string | number | boolean>(prompt: string, options: CallOptions<T>): T;

/** What the execution was started with (`--input`); null where nothing was given. Also the argument of `main`. */
declare const input: any;

/** Output of the execution: it is kept with it, line by line. */
interface Console {
  /** Prints its arguments, separated by spaces; objects and arrays as JSON. */
  log(...values: any[]): void;
  /** The same. */
  error(...values: any[]): void;
}
declare var console: Console;
