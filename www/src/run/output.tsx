// The output of the program. Screen readers announce new lines. The view follows the end unless the visitor has scrolled up.

import { useLayoutEffect, useRef } from "preact/hooks";

import { formatCount } from "../ui/format";

/** The maximum number of shown lines; the newest are shown. */
const MAX_LINES = 2_000;

export function Output({ lines }: { lines: string[] }) {
  const frame = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines.length]);

  function handleScroll(): void {
    const element = frame.current;
    if (element !== null) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
  }

  const omitted = Math.max(0, lines.length - MAX_LINES);
  return (
    <section class="panel" aria-labelledby="output-title" data-testid="output">
      <h3 id="output-title">
        Output <span class="aside">{lines.length === 0 ? "" : formatCount(lines.length, "line")}</span>
      </h3>
      <pre
        class="output"
        ref={frame}
        onScroll={handleScroll}
        role="log"
        aria-labelledby="output-title"
        tabIndex={0}
        data-testid="output-lines"
      >
        {lines.length === 0 ? <span class="empty">Nothing printed yet.</span> : null}
        {omitted > 0 ? `… ${formatCount(omitted, "line")} above\n` : ""}
        {lines.slice(omitted).join("\n")}
      </pre>
    </section>
  );
}
