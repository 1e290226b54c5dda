// The editor, CodeMirror. This file and its imports are loaded separately, at the first edit.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { typescriptLanguage } from "@codemirror/lang-javascript";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic as Lint } from "@codemirror/lint";
import { EditorState, type Text } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

import type { SourceDiagnostic } from "./diagnostics";

/** An editor of a source. */
export interface Editor {
  text(): string;
  replace(text: string): void;
  /** Marks the diagnostics in the text. */
  diagnose(diagnostics: SourceDiagnostic[]): void;
  /** Scrolls to the first diagnostic. */
  show(diagnostics: SourceDiagnostic[]): void;
  focus(): void;
  destroy(): void;
}

export function createEditor(
  parent: HTMLElement,
  text: string,
  cursor: number,
  labelledBy: string,
  onText: (text: string) => void,
): Editor {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      selection: { anchor: Math.min(cursor, text.length) },
      extensions: [
        lineNumbers(),
        highlightSpecialChars(),
        // `javascript()` would add completions that are not used.
        typescriptLanguage,
        syntaxHighlighting(classHighlighter),
        EditorView.lineWrapping,
        history(),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("  "),
        bracketMatching(),
        highlightActiveLine(),
        lintGutter(),
        // Tab is not bound, so that it moves the focus to the next control.
        keymap.of([...defaultKeymap, ...historyKeymap]),
        EditorView.contentAttributes.of({ "aria-labelledby": labelledBy, tabindex: "0", "data-testid": "editor-text" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onText(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    replace(next) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: 0 } });
      view.dispatch({ effects: EditorView.scrollIntoView(0) });
    },
    diagnose(diagnostics) {
      view.dispatch(
        setDiagnostics(
          view.state,
          diagnostics.map((one) => toLint(view.state.doc, one)),
        ),
      );
    },
    show(diagnostics) {
      const first = diagnostics[0];
      if (first !== undefined) scrollToCenter(view, first.line);
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

/** Scrolls a line into the middle of the view. CodeMirror's own scrolling would also scroll the page. */
function scrollToCenter(view: EditorView, line: number): void {
  const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines)).from;
  view.requestMeasure({
    read: () => view.lineBlockAt(at).top - view.scrollDOM.clientHeight / 2,
    write: (top) => {
      view.scrollDOM.scrollTop = top;
    },
  });
}

/** Converts a diagnostic, which marks the word at its position. */
function toLint(text: Text, { line, column, message, hint }: SourceDiagnostic): Lint {
  const from = offset(text, line, column);
  const words = typeof hint === "string" ? `${message}\n${hint}` : message;
  return { from, to: endOfWord(text, from), severity: "error", message: words };
}

function offset(text: Text, line: number, column: number): number {
  const at = text.line(Math.min(Math.max(line, 1), text.lines));
  return Math.min(at.from + Math.max(column - 1, 0), at.to);
}

function endOfWord(text: Text, from: number): number {
  const line = text.lineAt(from);
  const word = /^[\w$]+|^./.exec(line.text.slice(from - line.from))?.[0] ?? "";
  return from + word.length;
}
