// The lines of a source, with numbers, and in colours when their code is there.

import { useEffect, useState } from "preact/hooks";

import type { Token } from "./highlight";
import { loadHighlight } from "./load";

export interface LinesProps {
  source: string;
  /** The class of a line, which starts at 1; "": none. */
  classOf?(line: number): string;
}

export function Lines({ source, classOf = () => "" }: LinesProps) {
  const [coloured, setColoured] = useState<{ source: string; lines: Token[][] } | null>(null);

  useEffect(() => {
    let gone = false;
    loadHighlight().then(
      ({ highlight }) => gone || setColoured({ source, lines: highlight(source) }),
      (error: unknown) => console.info("runstate: the source stays without colours:", error),
    );
    return () => {
      gone = true;
    };
  }, [source]);

  const lines = coloured?.source === source ? coloured.lines : plain(source);
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

function plain(source: string): Token[][] {
  return source.split("\n").map((text) => [{ text, classes: "" }]);
}
