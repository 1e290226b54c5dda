// Formats times, sizes, counts and values for people.

import type { Json, Status } from "runstate";

const UNITS: [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** Formats a duration with at most two units: `2 h 5 min`, `12 s`, `340 ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const at = UNITS.findIndex(([, unit]) => ms >= unit);
  const [name, unit] = UNITS[at] ?? ["s", 1_000];
  const next = UNITS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % unit) / next[1]);
  return `${Math.floor(ms / unit)} ${name}${next !== undefined && rest > 0 ? ` ${rest} ${next[0]}` : ""}`;
}

/** Formats an age coarsely, for lists: `just now`, `5 min ago`. */
export function formatAge(moment: number, now: number): string {
  const ms = now - moment;
  if (ms < 5_000) return "just now";
  const [name, unit] = UNITS.find(([, unit]) => ms >= unit) ?? ["s", 1_000];
  return `${Math.floor(ms / unit)} ${name} ago`;
}

/** Formats a size: `1.4 MB`. */
export function formatBytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  const names = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(count) / 3), names.length);
  const number = count / 1_000 ** power;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${names[power - 1]}`;
}

/** Formats the time of day, to the second. */
export function formatTime(moment: number): string {
  return new Date(moment).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** Formats a date with its time of day. */
export function formatDateTime(moment: number): string {
  return new Date(moment).toLocaleString();
}

/** Formats a number with its noun: `1 question`, `2 questions`. */
export function formatCount(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Formats a value on one line: a string as it is, any other value as JSON. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Joins texts as sentences, each with a capital letter and a full stop. Empty texts are omitted. */
export function joinSentences(...parts: string[]): string {
  return parts
    .filter((part) => part !== "")
    .map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}${/[.!?…]$/.test(part) ? "" : "."}`)
    .join(" ");
}

const STATUS_LABELS: Record<Status, string> = {
  running: "Running",
  waiting_cc: "Waiting",
  paused: "Paused",
  complete: "Complete",
  error: "Failed",
  cancelled: "Cancelled",
};

/** The label of a status. An unknown status of a newer engine is its own label. */
export function statusLabel(status: string): string {
  return (STATUS_LABELS as Record<string, string>)[status] ?? status;
}

/** All statuses, in the order of the filter. */
export const STATUSES = Object.keys(STATUS_LABELS) as Status[];
