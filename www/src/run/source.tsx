// The source of an execution with the lines marked at which it waits. It is plain text until the editor's code is there.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ExecutionView as Execution } from "runstate";

import type { SourceView } from "../program/codemirror";
import { loadEditor } from "../program/load";

export interface SourceProps {
  execution: Execution;
  source: string | null;
  /** A line to bring into sight, and a count that changes with every wish. */
  reveal: { line: number; wish: number };
}

export function Source({ execution, source, reveal }: SourceProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<SourceView | null>(null);
  const ready = useSignal(false);
  const lines = waitsAt(execution);
  const failed = execution.status === "error" ? (execution.error?.line ?? 0) : 0;

  useEffect(() => {
    let gone = false;
    void loadEditor().then(({ showSource }) => {
      if (gone || host.current === null || source === null) return;
      view.current = showSource(host.current, source, `Source of ${execution.programName}`);
      ready.value = true;
    });
    return () => {
      gone = true;
      view.current?.destroy();
      view.current = null;
      ready.value = false;
    };
  }, [source]);

  useEffect(() => {
    view.current?.mark(lines, failed);
  }, [ready.value, lines.join(), failed]);

  useEffect(() => {
    if (reveal.wish > 0) view.current?.reveal(reveal.line);
  }, [reveal.wish]);

  return (
    <section class="panel source" aria-labelledby="source-title" data-testid="source" data-lines={lines.join(" ")}>
      <h3 id="source-title">
        Source
        <span class="aside">{lines.length === 0 ? "" : ` it waits at line ${lines.join(", ")}`}</span>
      </h3>
      {source === null ? (
        <p class="empty">The source of this version is not in the store.</p>
      ) : (
        <div class="code" ref={host}>
          {ready.value ? null : <pre tabIndex={0}>{source}</pre>}
        </div>
      )}
    </section>
  );
}

function waitsAt(execution: Execution): number[] {
  return [...new Set(execution.calls.map(({ line }) => line))].sort((a, b) => a - b);
}
