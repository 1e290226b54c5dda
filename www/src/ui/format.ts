// Formats times, sizes, counts and values for people.

import { signal } from "@preact/signals";
import type { Json, Status } from "runstate";

/** The current time, for countdowns and ages. A hidden page is not updated. */
export const now = signal(Date.now());

const UNITS: [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** Updates {@link now} every second while the page is open. */
export function followTime(): void {
  const tick = () => void (document.visibilityState === "visible" && (now.value = Date.now()));
  setInterval(tick, 1_000);
  document.addEventListener("visibilitychange", tick);
}

/** Formats a duration with at most two units: `2 h 5 min`, `12 s`, `340 ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  let rest = ms;
  const parts = UNITS.map(([name, unit]) => {
    const count = Math.floor(rest / unit);
    rest %= unit;
    return { name, count };
  });
  const first = parts.findIndex(({ count }) => count > 0);
  const shown = parts.slice(first, first + 2).filter(({ count }) => count > 0);
  return shown.map(({ name, count }) => `${count} ${name}`).join(" ");
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
  const names = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), names.length - 1);
  const number = count / 1_000 ** power;
  return `${power > 0 && number < 10 ? number.toFixed(1) : Math.round(number)} ${names[power]}`;
}

/** Formats the time of day, to the second. */
export function formatTime(moment: number): string {
  return new Date(moment).toLocaleTimeString(undefined, { timeStyle: "medium" });
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

/** Joins texts that are not empty. */
export function joinTexts(separator: string, ...parts: string[]): string {
  return parts.filter((part) => part !== "").join(separator);
}

/** Joins texts as sentences, each with a capital letter and a full stop. Empty texts are omitted. */
export function joinSentences(...parts: string[]): string {
  const sentences = parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1) + (/(^|[.!?…])$/.test(part) ? "" : "."));
  return joinTexts(" ", ...sentences);
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
