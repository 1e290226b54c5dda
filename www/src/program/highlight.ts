// The colours of a source: the grammar of the editor without the editor. This file and all it imports is loaded apart.

import { classHighlighter, highlightCode } from "@lezer/highlight";
import { parser } from "@lezer/javascript";

/** A piece of a line, and the classes of its colour; "": none. */
export interface Token {
  text: string;
  classes: string;
}

const grammar = parser.configure({ dialect: "ts" });

/** The lines of a source as tokens. */
export function highlight(source: string): Token[][] {
  let line: Token[] = [];
  const lines = [line];
  highlightCode(
    source,
    grammar.parse(source),
    classHighlighter,
    (text, classes) => line.push({ text, classes }),
    () => lines.push((line = [])),
  );
  return lines;
}
