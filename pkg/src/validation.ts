// Validates options that only JavaScript knows, such as signals and callbacks. The engine validates the parameters of
// operations.

import { usageError } from "./errors.js";
import { classOf, rejectLoneSurrogates } from "./json-encoding.js";

/** A check of one value. */
export interface Validator {
  /** A noun phrase for the error, after “must be”. */
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  /** Whether the option must be present. */
  readonly required?: boolean;
}

/** The validator of each option. A missing name is a compile error. */
export type OptionValidators<O> = { readonly [K in keyof O]-?: Validator };

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);

/** The largest number that fits in 32 bits: the largest limit. */
export const MAX_UINT32 = 2 ** 32 - 1;

/** The greatest time value of JavaScript (ECMA-262, "Time Values and Time Range"), in milliseconds since 1970. */
const MAX_TIME = 8.64e15;

/** For values that the engine validates. */
export const anything: Validator = { expected: "anything", accepts: () => true };
export const text: Validator = { expected: "a string", accepts: (value) => typeof value === "string" };
export const texts: Validator = { expected: "a list of strings", accepts: (value) => Array.isArray(value) && value.every(text.accepts) };
export const flag: Validator = { expected: "true or false", accepts: (value) => typeof value === "boolean" };
export const callback: Validator = { expected: "a function", accepts: (value) => typeof value === "function" };
export const signal: Validator = {
  expected: "an AbortSignal",
  accepts: (value) => isObject(value) && "aborted" in value && "addEventListener" in value,
};
export const schemaObject: Validator = {
  expected: "a JSON Schema, or a schema of a library with Standard Schema 1 (`~standard`)",
  // Some libraries have functions as schemas.
  accepts: (value) =>
    (isObject(value) || typeof value === "function") && "~standard" in value
      ? isObject(value["~standard"]) && "validate" in value["~standard"] && callback.accepts(value["~standard"].validate)
      : isObject(value) && !Array.isArray(value) && classOf(value) === null,
};
/** A number of something, or an ordinal. */
export const positiveInteger: Validator = integerBetween(1, MAX_UINT32);
/** A duration that may have a fraction. */
export const fractionalDuration: Validator = {
  expected: "a number of milliseconds, 0 or more",
  accepts: (value) => typeof value === "number" && value >= 0 && value <= MAX_TIME,
};
export const timestamp: Validator = {
  expected: `a time in milliseconds since 1970, at most ${MAX_TIME}`,
  accepts: (value) => typeof value === "number" && Math.abs(value) <= MAX_TIME,
};
export const objectByKind: Validator = { expected: "an object with one entry for each kind", accepts: (value) => isObject(value) && !Array.isArray(value) };

/** A whole number in a range, both ends included. */
export function integerBetween(min: number, max: number): Validator {
  return { expected: `a whole number from ${min} to ${max}`, accepts: (value) => isInteger(value) && value >= min && value <= max };
}

/** A member of a union of strings. A missing or additional member in `words` is a compile error. */
export function oneOf<W extends string>(words: Readonly<Record<W, true>>): Validator {
  const quoted = Object.keys(words).map((word) => `\`${word}\``);
  const accepts = (value: unknown) => typeof value === "string" && Object.hasOwn(words, value);
  return { expected: `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`, accepts };
}

/** A list of values of one kind. */
export function listOf(one: Validator): Validator {
  return { expected: `a list, each ${one.expected}`, accepts: (value) => Array.isArray(value) && value.every(one.accepts) };
}

/** An object with the given members and no others. */
export function objectOf<O>(shape: OptionValidators<O>): Validator {
  const hasKnownNames = (value: object) => Object.keys(value).every((name) => Object.hasOwn(shape, name));
  const accepts = (value: unknown) => isObject(value) && hasKnownNames(value) && findInvalid(value, shape) === undefined;
  const members = Object.entries<Validator>(shape).map(([name, { expected }]) => `${name}: ${expected}`);
  return { expected: `an object { ${members.join("; ")} }`, accepts };
}

/** A value of either kind. */
export function anyOf(one: Validator, other: Validator): Validator {
  return { expected: `${one.expected}, or ${other.expected}`, accepts: (value) => one.accepts(value) || other.accepts(value) };
}

/** The same check for an option that must be present. */
export function required(kind: Validator): Validator {
  return { ...kind, required: true };
}

/** A record with the same value under every name. */
export function fillRecord<T>(names: readonly string[], one: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, one]));
}

/** Returns `value` if it is valid. `label` names the value in the error. */
export function validate<T>(label: string, value: T, kind: Validator): T {
  if (!kind.accepts(value)) throw usageError(`${label} must be ${kind.expected}, not ${formatValue(value)}`);
  rejectLoneSurrogates(label, value);
  return value;
}

/** Returns `options` if they are an object. `method` names the method in the error. */
export function checkOptions<O extends object>(method: string, options: O): O {
  if (!objectByKind.accepts(options)) throw usageError(`${method} takes its options as an object, not ${formatValue(options)}`);
  return options;
}

/** Returns `options` if all of them are known and valid. `method` names the method in the error. */
export function validateOptions<O extends object>(method: string, options: O, shape: OptionValidators<O>): O {
  checkOptions(method, options);
  const names = Object.keys(shape);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw usageError(`${method} has no option \`${name}\`${suggestName(name, names)}`);
  }
  const invalid = findInvalid(options, shape);
  if (invalid !== undefined) throw usageError(`${method}: \`${invalid.name}\` must be ${invalid.kind.expected}, not ${formatValue(invalid.value)}`);
  for (const [name, value] of Object.entries(options)) {
    if (shape[name as keyof O] !== anything) rejectLoneSurrogates(`${method}: \`${name}\``, value);
  }
  return options;
}

/** The first invalid member, in the order of `shape`. */
function findInvalid(options: object, shape: object): { name: string; kind: Validator; value: unknown } | undefined {
  for (const [name, kind] of Object.entries(shape) as [string, Validator][]) {
    const value: unknown = (options as Record<string, unknown>)[name];
    if (value === undefined ? kind.required : !kind.accepts(value)) return { name, kind, value };
  }
  return undefined;
}

/** Suggests the known name that is nearest to an unknown one, or lists all known names. */
function suggestName(name: string, names: readonly string[]): string {
  const near = names.find((known) => editDistance(name.toLowerCase(), known.toLowerCase()) <= Math.min(2, known.length / 3));
  if (near !== undefined) return `; did you mean \`${near}\`?`;
  return names.length === 0 ? "" : `; its ${names.length === 1 ? "only option is" : "options are"} ${names.map((known) => `\`${known}\``).join(", ")}`;
}

/** The Levenshtein distance of two strings. */
function editDistance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [row, letter] of [...one].entries()) {
    const here = [row + 1];
    for (let at = 0; at < other.length; at += 1) {
      const changed = (above[at] as number) + (letter === other[at] ? 0 : 1);
      here.push(Math.min(changed, (above[at + 1] as number) + 1, (here[at] as number) + 1));
    }
    above = here;
  }
  return above.at(-1) as number;
}

/** Formats a value for an error, shortened. */
function formatValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : stringify(value);
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}

function stringify(value: object): string {
  try {
    const encoded = JSON.stringify(value);
    return encoded.length > 80 ? `${encoded.slice(0, 80)}…` : encoded;
  } catch {
    return "an object";
  }
}
