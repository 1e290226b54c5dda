// The lines of a source with numbers. They are highlighted once the module for that is loaded.

import { useEffect, useState } from "preact/hooks";

import type { HighlightToken } from "./highlight";
import { loadHighlight } from "./lazy-modules";

export interface SourceLinesProps {
  source: string;
  /** The CSS class of a line, counted from 1; "" for none. */
  classOf?(line: number): string;
}

export function SourceLines({ source, classOf = () => "" }: SourceLinesProps) {
  const [highlighted, setHighlighted] = useState<{ source: string; lines: HighlightToken[][] } | null>(null);

  useEffect(() => {
    let unmounted = false;
    loadHighlight().then(
      ({ highlight }) => unmounted || setHighlighted({ source, lines: highlight(source) }),
      (error: unknown) => console.info("runstate: the source is shown without highlighting:", error),
    );
    return () => {
      unmounted = true;
    };
  }, [source]);

  const lines = highlighted?.source === source ? highlighted.lines : plainTokens(source);
  return (
    <div class="lines">
      {lines.map((tokens, index) => (
        <div key={index} class={`line ${classOf(index + 1)}`} data-testid={classOf(index + 1) || undefined}>
          {tokens.map(({ text, classes }) => (classes === "" ? text : <span class={classes}>{text}</span>))}
        </div>
      ))}
    </div>
  );
}

function plainTokens(source: string): HighlightToken[][] {
  return source.split("\n").map((text) => [{ text, classes: "" }]);
}
