// The output of the command line: results on standard output, everything else on standard error.

import { writeSync } from "node:fs";

import { RunstateError } from "../errors.js";
import type { CallRow, Diagnostic, Execution, OpenCall, ExecutionSummary } from "../wire.js";

/** Prints results and remarks, as text or, with `json`, as JSON. */
export class OutputWriter {
  constructor(readonly json: boolean) {}

  /** Prints a line of the result. */
  line(text: string): void {
    console.log(escapeControls(text));
  }

  /** Prints a result as one line of JSON. */
  value(value: unknown): void {
    console.log(JSON.stringify(value));
  }

  /** Prints a remark, which is not part of the result. */
  remark(text: string): void {
    console.error(escapeControls(text));
  }

  /** Prints a part of a dialog, without a line end. */
  writePrompt(text: string): void {
    writeSync(this.json ? 2 : 1, escapeControls(text));
  }

  /** Prints the error of a command. */
  failure(error: unknown): void {
    if (!(error instanceof RunstateError)) {
      console.error(error);
    } else if (this.json) {
      const { code, message, retryable, collection, key, details } = error;
      this.value({ code, message, retryable, collection, key, details });
    } else {
      for (const line of diagnostics(error)) this.remark(line);
      this.remark(`error: ${error.message}`);
    }
  }
}

/** Escapes characters that control a terminal or the direction of text. */
export function escapeControls(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u{${c.charCodeAt(0).toString(16)}}`;
  });
}

function diagnostics({ code, details }: RunstateError): string[] {
  if (code !== "compile_error") return [];
  const found = (details as { diagnostics?: Diagnostic[] } | undefined)?.diagnostics ?? [];
  return found.flatMap(({ line, column, message, hint, sourceLine }) => {
    const margin = " ".repeat(String(line).length);
    const caret = ` ${margin} | ${sourceLine.slice(0, column - 1).replace(/[^\t]/g, " ")}^`;
    const more = hint === undefined ? [] : [` ${margin} = hint: ${hint}`];
    return [`${line}:${column}: ${message}`, ` ${line} | ${sourceLine}`, caret, ...more];
  });
}

/** Formats a time to the second, as RFC 3339. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Formats a JSON value for people: a string without its quotes. */
export function formatValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** An execution as JSON output: times as RFC 3339 text. */
export function executionToJson(view: Execution): unknown {
  const error = view.error && { ...view.error, timestamp: rfc3339(view.error.timestamp) };
  const calls = view.calls.map((call: OpenCall) => withTimes(call, ["deadline", "requestedAt", "leaseUntil"]));
  return { ...withTimes(view, ["started", "completed", "lastModified"]), error, calls };
}

/** An execution of a list as JSON output. */
export function summaryToJson(summary: ExecutionSummary): unknown {
  return withTimes(summary, ["started", "lastModified"]);
}

/** A call of a list as JSON output. */
export function callToJson(call: CallRow): unknown {
  const claim = call.claim && withTimes(call.claim, ["until"]);
  return { ...withTimes(call, ["askedAt", "availableAt", "deadline", "answeredAt"]), ...(claim && { claim }) };
}

function withTimes<T extends object>(value: T, names: readonly (keyof T)[]): object {
  const times = names.filter((name) => typeof value[name] === "number");
  return { ...value, ...Object.fromEntries(times.map((name) => [name, rfc3339(value[name] as number)])) };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

/** Formats rows below their headings. The last column is not padded. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const flat = rows.map((row) => row.map((cell) => cell.replace(/\s*\n\s*/g, " ")));
  const widths = headings.map((heading, at) => Math.max(heading.length, ...flat.map((row) => row[at]?.length ?? 0)));
  return [headings, ...flat].map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd());
}
