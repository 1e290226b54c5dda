// The source of an execution. The lines at which it waits are marked.

import { useEffect, useRef } from "preact/hooks";
import type { Execution } from "runstate";

import { SourceLines } from "../program/source-lines";

export interface SourceProps {
  execution: Execution;
  source: string | null;
  /** A line to scroll to, and a counter that increases with every request. */
  reveal: { line: number; request: number };
}

export function Source({ execution, source, reveal }: SourceProps) {
  const host = useRef<HTMLDivElement>(null);
  const lines = waitingLines(execution);
  const failed = execution.status === "error" ? (execution.error?.line ?? 0) : 0;

  useEffect(() => scrollToCenter(host.current, lines[0] ?? failed), [source, lines.join(), failed]);

  useEffect(() => {
    if (reveal.request === 0) return;
    scrollToCenter(host.current, reveal.line);
    host.current?.scrollIntoView({ block: "nearest" });
  }, [reveal.request]);

  function classOf(line: number): string {
    if (line === failed) return "failed-here";
    return lines.includes(line) ? "waits-here" : "";
  }

  return (
    <section class="panel source" aria-labelledby="source-title" data-testid="source" data-lines={lines.join(" ")}>
      <h3 id="source-title">
        Source
        <span class="aside">{lines.length === 0 ? "" : ` waits at line ${lines.join(", ")}`}</span>
      </h3>
      {source === null ? (
        <p class="empty">The source of this version is not in the store.</p>
      ) : (
        <div class="code" ref={host} tabIndex={0} role="group" aria-label={`Source of ${execution.programName}`}>
          <SourceLines source={source} classOf={classOf} />
        </div>
      )}
    </section>
  );
}

/** Scrolls a line into the middle of its box without scrolling the page. */
function scrollToCenter(box: HTMLElement | null, line: number): void {
  const row = box?.querySelectorAll<HTMLElement>(".line")[line - 1];
  if (box === null || row === undefined) return;
  box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
}

function waitingLines(execution: Execution): number[] {
  return [...new Set(execution.calls.map(({ line }) => line))].sort((a, b) => a - b);
}
