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
  /** Replaces the source, unless the editor already has it. */
  replace(text: string): void;
  /** Marks the diagnostics in the source. `reveals` also scrolls to the first one. */
  diagnose(diagnostics: SourceDiagnostic[], reveals: boolean): void;
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
    replace(next) {
      if (next === view.state.doc.toString()) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: 0 } });
      view.dispatch({ effects: EditorView.scrollIntoView(0) });
    },
    diagnose(diagnostics, reveals) {
      const { doc } = view.state;
      const marks = diagnostics.map((one) => toLint(doc, one));
      view.dispatch(setDiagnostics(view.state, marks));
      if (reveals && marks[0] !== undefined) scrollToCenter(view, marks[0].from);
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

/** Scrolls a position into the middle of the view. CodeMirror's own scrolling would also scroll the page. */
function scrollToCenter(view: EditorView, at: number): void {
  view.requestMeasure({
    read: () => view.lineBlockAt(at).top - view.scrollDOM.clientHeight / 2,
    write: (top) => void (view.scrollDOM.scrollTop = top),
  });
}

/** Converts a diagnostic, which marks the word at its position. */
function toLint(doc: Text, { line, column, message, hint }: SourceDiagnostic): Lint {
  const row = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const from = Math.min(row.from + Math.max(column - 1, 0), row.to);
  const word = /^[\w$]+|^./.exec(row.text.slice(from - row.from))?.[0] ?? "";
  return { from, to: from + word.length, severity: "error", message: [message, hint ?? ""].join("\n").trim() };
}
