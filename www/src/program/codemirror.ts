// The editor and the view of a source, both CodeMirror. This file and all it imports is loaded apart, after the page is there.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { typescriptLanguage } from "@codemirror/lang-javascript";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic as Lint } from "@codemirror/lint";
import { EditorState, RangeSetBuilder, StateEffect, StateField, type Extension, type Text } from "@codemirror/state";
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  type DecorationSet,
} from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

import type { Diagnostic } from "./diagnostics";

const common: Extension[] = [
  lineNumbers(),
  highlightSpecialChars(),
  // Not `javascript()`, which brings completions that are not used.
  typescriptLanguage,
  syntaxHighlighting(classHighlighter),
  EditorView.lineWrapping,
];

/** A source that is looked at. */
export interface SourceView {
  /** Marks the lines that are waited at, and the one that failed (0: none), and brings the first into sight. */
  mark(waiting: number[], failed: number): void;
  reveal(line: number): void;
  destroy(): void;
}

export function showSource(parent: HTMLElement, source: string, label: string): SourceView {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: source,
      extensions: [
        ...common,
        marks,
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({
          "aria-label": label,
          tabindex: "0",
          role: "textbox",
          "aria-readonly": "true",
          "aria-multiline": "true",
        }),
      ],
    }),
  });
  return {
    mark(waiting, failed) {
      view.dispatch({ effects: markLines.of({ waiting, failed }) });
      const first = waiting[0] ?? failed;
      if (first > 0) centre(view, first);
    },
    reveal(line) {
      centre(view, line);
      view.dom.scrollIntoView({ block: "nearest" });
    },
    destroy: () => view.destroy(),
  };
}

/** A source that is written. */
export interface Editor {
  text(): string;
  replace(text: string): void;
  /** Marks what is wrong. */
  diagnose(diagnostics: Diagnostic[]): void;
  /** Brings the first of them into sight. */
  show(diagnostics: Diagnostic[]): void;
  focus(): void;
  destroy(): void;
}

export function edit(parent: HTMLElement, text: string, labelledBy: string, onText: (text: string) => void): Editor {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        ...common,
        history(),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("  "),
        bracketMatching(),
        highlightActiveLine(),
        lintGutter(),
        // Tab stays the browser's: it leads on to the next control.
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
          diagnostics.map((one) => lint(view.state.doc, one)),
        ),
      );
    },
    show(diagnostics) {
      const first = diagnostics[0];
      if (first !== undefined) centre(view, first.line);
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

/** Brings a line into the middle of the view. Not by CodeMirror's own way, which scrolls the page around it too. */
function centre(view: EditorView, line: number): void {
  const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines)).from;
  view.requestMeasure({
    read: () => view.lineBlockAt(at).top - view.scrollDOM.clientHeight / 2,
    write: (top) => {
      view.scrollDOM.scrollTop = top;
    },
  });
}

/** Where a diagnostic is: from the place it points at to the end of the word there. */
function lint(text: Text, { line, column, message, hint }: Diagnostic): Lint {
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

const markLines = StateEffect.define<{ waiting: number[]; failed: number }>();

const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marked, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(markLines)) marked = decorations(transaction.state.doc, effect.value.waiting, effect.value.failed);
    }
    return marked;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function decorations(text: Text, waiting: number[], failed: number): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  const lines = new Map<number, string>([...waiting.map((line) => [line, "waits-here"] as const)]);
  if (failed > 0) lines.set(failed, "failed-here");
  for (const [line, name] of [...lines].sort(([a], [b]) => a - b)) {
    if (line < 1 || line > text.lines) continue;
    const { from } = text.line(line);
    builder.add(from, from, Decoration.line({ class: name, attributes: { "data-testid": name } }));
  }
  return builder.finish();
}
