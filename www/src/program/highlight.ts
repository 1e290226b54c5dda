// Syntax highlighting with the grammar of the editor, without the editor. This file and its imports are loaded separately.

import { classHighlighter, highlightCode } from "@lezer/highlight";
import { parser } from "@lezer/javascript";

/** A part of a line with its CSS classes; "" for none. */
export interface HighlightToken {
  text: string;
  classes: string;
}

const grammar = parser.configure({ dialect: "ts" });

/** The lines of a source as tokens. */
export function highlight(source: string): HighlightToken[][] {
  let line: HighlightToken[] = [];
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
