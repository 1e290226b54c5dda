// What the program has printed. New lines are read out; who scrolled up is left where they are.

import { useLayoutEffect, useRef } from "preact/hooks";

import { count } from "../ui/words";

/** Lines that are shown; of more, the newest. */
const SHOWN = 2_000;

export function Output({ lines }: { lines: string[] }) {
  const frame = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines.length]);

  function scrolled(): void {
    const element = frame.current;
    if (element !== null) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
  }

  const left = Math.max(0, lines.length - SHOWN);
  return (
    <section class="panel" aria-labelledby="output-title" data-testid="output">
      <h3 id="output-title">
        Output <span class="aside">{lines.length === 0 ? "" : count(lines.length, "line")}</span>
      </h3>
      <pre
        class="output"
        ref={frame}
        onScroll={scrolled}
        role="log"
        aria-labelledby="output-title"
        tabIndex={0}
        data-testid="output-lines"
      >
        {lines.length === 0 ? <span class="empty">Nothing printed yet.</span> : null}
        {left > 0 ? `… ${count(left, "line")} above\n` : ""}
        {lines.slice(left).join("\n")}
      </pre>
    </section>
  );
}
