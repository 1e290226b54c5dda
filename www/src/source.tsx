// The source of a program: its highlighted lines with numbers, and the same as a text field.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { parse } from "sugar-high/core";
import * as typescript from "sugar-high/lang/typescript";

interface SourceLinesProps {
  source: string;
  /** The CSS class of a line, counted from 1; "" for none. */
  classOf(line: number): string;
}

function SourceLines({ source, classOf }: SourceLinesProps) {
  const lines = useMemo(() => parse(source, typescript).lines, [source]);
  return (
    <div class="lines">
      {lines.map(({ tokens }, index) => (
        <div key={index} class={classOf(index + 1)}>
          {tokens.map(({ type, value }) => (/^(identifier|sign|space|break)$/.test(type) ? value : <span class={`tok-${type}`}>{value}</span>))}
        </div>
      ))}
    </div>
  );
}

interface SourceViewProps extends SourceLinesProps {
  label: string;
  line: number;
}

export function SourceView({ label, line, ...props }: SourceViewProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Scrolls the line into the middle of the box without scrolling the page.
    const row = box.current?.querySelectorAll(".lines > div")[line - 1];
    if (!box.current || !row) return;
    box.current.scrollTop += row.getBoundingClientRect().top - box.current.getBoundingClientRect().top - box.current.clientHeight / 2;
  }, [props.source, line]);
  return (
    <div class="source" ref={box} tabIndex={0} role="group" aria-label={label}><SourceLines {...props} /></div>
  );
}

/** Scrolls to a line of the shown source. */
export function revealLine(line: number): void {
  document.querySelector(`.source .lines > :nth-child(${line})`)?.scrollIntoView({ block: "center" });
}

interface SourceEditorProps {
  source: string;
  wrongLines: number[];
  onText(text: string): void;
  onRun(): void;
}

/** A text field, whose transparent text covers the highlighted lines. So it has the undo, the keys and the
 * accessibility of the browser. */
export function SourceEditor({ source, wrongLines, onText, onRun }: SourceEditorProps) {
  function handleKeyDown(event: KeyboardEvent & { currentTarget: HTMLTextAreaElement }): void {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) return onRun();
    // A new line is indented like the one before. The command, unlike a changed value, can be undone.
    const before = source.slice(0, event.currentTarget.selectionStart);
    const [indent] = /^ */.exec(before.slice(before.lastIndexOf("\n") + 1)) ?? [""];
    document.execCommand("insertText", false, `\n${indent}${before.endsWith("{") ? "  " : ""}`);
  }

  return (
    <div class="source editor" data-testid="editor">
      <SourceLines source={source} classOf={(line) => (wrongLines.includes(line) ? "bad" : "")} />
      <textarea
        aria-label="Source of the program"
        spellcheck={false}
        autocapitalize="off"
        value={source}
        onInput={(event) => onText(event.currentTarget.value)}
        onKeyDown={handleKeyDown}
        data-testid="editor-field"
      />
    </div>
  );
}
