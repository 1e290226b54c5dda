// Texts for people.

import type { CallView } from "runstate";

import { toolOf } from "./agent/tool-kind.ts";

const UNITS: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** A duration in its largest unit: `3 min`. */
export function formatAge(ms: number): string {
  const [unit, length] = UNITS.find(([, unitMs]) => ms >= unitMs) ?? ["s", 1000];
  return `${Math.max(0, Math.floor(ms / length))} ${unit}`;
}

/** A text on one line, cut to a readable length. */
export function oneLine(text = "", length = 120): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** An age for lists that are not redrawn every second: `just now`, `3 min`. */
export function formatCoarseAge(ms: number): string {
  return ms < 60_000 ? "just now" : formatAge(ms);
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** A call in words: its question, or its tool with the arguments. */
export function callText({ kind, prompt, args }: Pick<CallView, "kind" | "prompt" | "args">): string {
  const tool = toolOf(kind) ?? kind;
  return prompt || (args === null ? tool : `${tool} ${JSON.stringify(args)}`);
}

/** The name of a program. That of a script of `rs.code` is a hash. */
export function programText(name: string): string {
  return name.replace(/^(script)-(.{6}).*/, "$1 $2");
}
