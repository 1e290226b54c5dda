// Times, sizes, ids and values in words.

import type { Json, Status } from "runstate";

const UNITS: [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** `2 h 5 min`, `12 s`, `340 ms`: two units at most. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const at = UNITS.findIndex(([, unit]) => ms >= unit);
  const [name, unit] = UNITS[at] ?? ["s", 1_000];
  const next = UNITS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % unit) / next[1]);
  return `${Math.floor(ms / unit)} ${name}${next !== undefined && rest > 0 ? ` ${rest} ${next[0]}` : ""}`;
}

/** `just now`, `5 min ago`: coarse, for lists. */
export function ago(moment: number, now: number): string {
  const ms = now - moment;
  if (ms < 5_000) return "just now";
  const [name, unit] = UNITS.find(([, unit]) => ms >= unit) ?? ["s", 1_000];
  return `${Math.floor(ms / unit)} ${name} ago`;
}

/** `1.4 MB` */
export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  const names = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(count) / 3), names.length);
  const number = count / 1_000 ** power;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${names[power - 1]}`;
}

/** The time of day, to the second. */
export function clock(moment: number): string {
  return new Date(moment).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A day and time, in full. */
export function moment(moment: number): string {
  return new Date(moment).toLocaleString();
}

/** `1 question`, `2 questions` */
export function count(number: number, thing: string): string {
  return `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;
}

/** A value on one line: texts as they are, all else as JSON. */
export function plain(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Parts, each one made a sentence; empty ones are left out. */
export function sentences(...parts: string[]): string {
  return parts
    .filter((part) => part !== "")
    .map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}${/[.!?…]$/.test(part) ? "" : "."}`)
    .join(" ");
}

const STATUS: Record<Status, string> = {
  running: "Running",
  waiting_cc: "Waiting",
  paused: "Paused",
  complete: "Complete",
  error: "Failed",
  cancelled: "Cancelled",
};

/** What an execution is doing; a status of a newer engine is shown as it is called. */
export function statusWord(status: string): string {
  return (STATUS as Record<string, string>)[status] ?? status;
}

/** Every status, in the order in which filters offer them. */
export const STATUSES = Object.keys(STATUS) as Status[];
