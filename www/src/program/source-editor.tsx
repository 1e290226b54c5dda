// The source as a plain text field over its highlighted lines, which the editor replaces at the first edit.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";

import type { Editor } from "./codemirror";
import type { SourceDiagnostic } from "./diagnostics";
import { draft } from "./draft";
import { modulesReady, SourceLines } from "./source-lines";

interface SourceEditorProps {
  /** The errors to mark. A new list scrolls to its first error if `reveals` is true. */
  problems: { list: SourceDiagnostic[]; reveals: boolean };
  onText(text: string): void;
  onRun(): void;
}

export function SourceEditor({ problems, onText, onRun }: SourceEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const isRequested = useRef(false);
  const editor = useSignal<Editor | null>(null);
  const label = useId();
  const { source } = draft.value;

  useEffect(() => () => editor.peek()?.destroy(), []);
  // The newest source: text may have been typed since the component was rendered.
  useLayoutEffect(() => editor.value?.replace(draft.peek().source), [source, editor.value]);
  useEffect(() => editor.value?.diagnose(problems.list, problems.reveals), [problems, editor.value]);

  /** Loads and creates the editor. Without a network the text field stays, and the next focus tries again. */
  async function requestEditor(): Promise<void> {
    if (isRequested.current) return;
    isRequested.current = true;
    try {
      await modulesReady();
      const { createEditor } = await import("./codemirror");
      if (host.current === null || field.current === null) return;
      const { value, selectionStart } = field.current;
      const hadFocus = field.current === document.activeElement;
      editor.value = createEditor(host.current, value, selectionStart, label, onText);
      if (hadFocus) editor.value.focus();
    } catch (error) {
      console.info("runstate: the editor cannot be loaded, so a plain text field is used:", error);
      isRequested.current = false;
    }
  }

  function handleKeyDown(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    onRun();
  }

  const ready = editor.value !== null;
  return (
    <div class="source editor" ref={host} onKeyDownCapture={handleKeyDown} data-testid="editor" data-ready={ready}>
      <span id={label} class="hidden">
        Source of the program. Press Escape, then Tab to leave the editor.
      </span>
      {!ready && <SourceLines source={source} />}
      {!ready && (
        <textarea
          ref={field}
          aria-labelledby={label}
          spellcheck={false}
          value={source}
          onPointerEnter={requestEditor}
          onFocus={requestEditor}
          onInput={(event) => onText(event.currentTarget.value)}
          data-testid="editor-field"
        />
      )}
    </div>
  );
}
