// Formats times, counts and values for people, and reads the ids in an export.

import type { CallView, Json, Status } from "runstate/full";

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

const relativeTime = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** Formats a time relative to another one: `5 minutes ago`, `in 2 hours`. */
export function formatRelative(at: number, now: number): string {
  const ms = at - now;
  if (ms <= 0 && ms > -5_000) return "just now";
  const [unit, length] = UNITS.find(([, length]) => Math.abs(ms) >= length) ?? ["second", 1_000];
  // A remaining time is rounded up, so that a countdown ends at one second.
  return relativeTime.format(ms > 0 ? Math.ceil(ms / length) : -Math.floor(-ms / length), unit);
}

/** Formats a duration: `12 s`, `340 ms`. */
export function formatDuration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toLocaleString("en", { maximumSignificantDigits: 3 })} s`;
}

/** Formats a number with its noun: `1 question`, `2 questions`. */
export function formatCount(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function formatValue(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function joinTexts(separator: string, ...parts: string[]): string {
  return parts.filter((part) => part !== "").join(separator);
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

/** A call in words. */
export function titleOf({ kind, prompt, args, waitsFor }: Pick<CallView, "kind" | "prompt" | "args" | "waitsFor">): string {
  if (kind === "timer") return "Sleeping";
  if (kind === "cc") return prompt;
  if (waitsFor === "approval") return `Approve ${kind}?`;
  return prompt === "" ? `Tool ${kind}${args === null ? "" : "(…)"}` : `${kind}: ${prompt}`;
}

/** The ids of the executions in an export. Each line names the collection of its document. */
export function executionsIn(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.includes('"cvm.executions"'));
  return lines.flatMap((line) => {
    try {
      const { collection, id } = JSON.parse(line) as { collection?: unknown; id?: unknown };
      return collection === "cvm.executions" && typeof id === "string" ? [id] : [];
    } catch {
      return [];
    }
  });
}
