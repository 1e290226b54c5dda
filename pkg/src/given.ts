// What callers give, looked over before anything is done with it: types say it to those who use them, and this says it to all others.
// What only the engine can judge (which statuses there are, which ids) is left to it.

import { usage } from "./errors.js";
import { refuseHalves } from "./halves.js";

/** What may be given. */
export interface Kind {
  /** In words, after “is”. */
  readonly what: string;
  readonly fits: (value: unknown) => boolean;
  /** Nothing works without it. */
  readonly needed?: boolean;
}

/** What each option may be; a name that is missing here does not compile. */
export type Shape<O> = { readonly [K in keyof O]-?: Kind };

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** The greatest number of rows that can be asked for. */
const MOST = 2 ** 32 - 1;

/** The last moment that JavaScript knows, in milliseconds since 1970. */
const LAST_MOMENT = 8.64e15;

/** What is looked at where it is used. */
export const anything: Kind = { what: "anything", fits: () => true };
export const text: Kind = { what: "a string", fits: (value) => typeof value === "string" };
export const texts: Kind = { what: "a list of strings", fits: (value) => Array.isArray(value) && value.every(text.fits) };
export const flag: Kind = { what: "true or false", fits: (value) => typeof value === "boolean" };
export const action: Kind = { what: "a function", fits: (value) => typeof value === "function" };
export const signal: Kind = {
  what: "an AbortSignal",
  fits: (value) => isObject(value) && "aborted" in value && "addEventListener" in value,
};
export const rows: Kind = whole(0, MOST);
/** The how-manyth, or how many at once. */
export const count: Kind = whole(1, MOST);
export const index: Kind = { what: "a whole number from 0 on", fits: (value) => isWhole(value) && value >= 0 };
export const span: Kind = { what: "a whole number of milliseconds, 0 or more", fits: index.fits };
/** Bytes of a heap; the range is that of `limits::HEAP_BYTES`. */
export const heap: Kind = whole(2 ** 20, 2 ** 32);
/** Time that passes, which need not be whole. */
export const passing: Kind = {
  what: "a number of milliseconds, 0 or more",
  fits: (value) => typeof value === "number" && value >= 0 && value <= LAST_MOMENT,
};
export const moment: Kind = {
  what: `a time in milliseconds since 1970, at most ${LAST_MOMENT}`,
  fits: (value) => typeof value === "number" && Math.abs(value) <= LAST_MOMENT,
};
export const keyed: Kind = { what: "an object with one for each kind", fits: (value) => isObject(value) && !Array.isArray(value) };
/** A row of a list, by which the next page is asked for. */
export const placed: Kind = {
  what: "a row of a list, with its `id` and `started`",
  fits: (value) => isObject(value) && "id" in value && text.fits(value.id) && "started" in value && isWhole(value.started),
};
export const list: Kind = { what: "a list", fits: Array.isArray };

/** A whole number between two. */
export function whole(least: number, most: number): Kind {
  return { what: `a whole number from ${least} to ${most}`, fits: (value) => isWhole(value) && value >= least && value <= most };
}

/** One of the words of a type. `words` has all of them and no other, or it does not compile. */
export function oneOf<W extends string>(words: Readonly<Record<W, true>>): Kind {
  const quoted = Object.keys(words).map((word) => `\`${word}\``);
  const fits = (value: unknown) => typeof value === "string" && Object.hasOwn(words, value);
  return { what: `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`, fits };
}

/** A list of them. */
export function listOf(one: Kind): Kind {
  return { what: `a list, each ${one.what}`, fits: (value) => Array.isArray(value) && value.every(one.fits) };
}

/** An object of its own. */
export function shaped<O>(shape: Shape<O>): Kind {
  const known = (value: object) => Object.keys(value).every((name) => Object.hasOwn(shape, name));
  const fits = (value: unknown) => isObject(value) && known(value) && misfits(value, shape) === undefined;
  const parts = Object.entries<Kind>(shape).map(([name, { what }]) => `${name}: ${what}`);
  return { what: `an object { ${parts.join("; ")} }`, fits };
}

/** Either of two. */
export function either(one: Kind, other: Kind): Kind {
  return { what: `${one.what}, or ${other.what}`, fits: (value) => one.fits(value) || other.fits(value) };
}

/** What has to be said. */
export function needed(kind: Kind): Kind {
  return { ...kind, needed: true };
}

/** The same under every name. */
export function alike<T>(names: readonly string[], one: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, one]));
}

/** `value`, where it is of that kind; `what` names it in the error. */
export function given<T>(what: string, value: T, kind: Kind): T {
  if (!kind.fits(value)) throw usage(`${what} is ${kind.what}, not ${shown(value)}`);
  refuseHalves(what, value);
  return value;
}

/** `options`, where `of` (a method) takes every one of them as it is. */
export function options<O extends object>(of: string, options: O, shape: Shape<O>): O {
  if (!keyed.fits(options)) {
    const asked = Object.entries<Kind>(shape).flatMap(([name, kind]) => (kind.needed ? [name] : []));
    const what = asked.length === 0 ? "its options as an object" : `an object { ${asked.join(", ")} }`;
    throw usage(`${of} takes ${what}, not ${shown(options)}`);
  }
  const names = Object.keys(shape);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw usage(`${of} has no option \`${name}\`${instead(name, names)}`);
  }
  const wrong = misfits(options, shape);
  if (wrong !== undefined) throw usage(`${of}: \`${wrong.name}\` is ${wrong.kind.what}, not ${shown(wrong.value)}`);
  for (const [name, value] of Object.entries(options)) {
    if (shape[name as keyof O] !== anything) refuseHalves(`${of}: \`${name}\``, value);
  }
  return options;
}

/** The first member that is not as it may be. */
function misfits(options: object, shape: object): { name: string; kind: Kind; value: unknown } | undefined {
  for (const [name, kind] of Object.entries(shape) as [string, Kind][]) {
    const value: unknown = (options as Record<string, unknown>)[name];
    if (value === undefined ? kind.needed : !kind.fits(value)) return { name, kind, value };
  }
  return undefined;
}

/** What else a name may have been meant to be, or all that there is. */
function instead(name: string, names: readonly string[]): string {
  const near = names.find((known) => distance(name.toLowerCase(), known.toLowerCase()) <= Math.min(2, known.length / 3));
  if (near !== undefined) return `; did you mean \`${near}\`?`;
  return names.length === 0 ? "" : `; there ${names.length === 1 ? "is" : "are"} ${names.map((known) => `\`${known}\``).join(", ")}`;
}

/** How many letters one must put in, leave out or change to make the other. */
function distance(one: string, other: string): number {
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

/** A value as an error names it. */
function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : json(value);
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}

function json(value: object): string {
  try {
    const said = JSON.stringify(value);
    return said.length > 80 ? `${said.slice(0, 80)}…` : said;
  } catch {
    return "an object";
  }
}
