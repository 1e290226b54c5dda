// The form for a program: examples, name, input, source, and the button that runs it. Diagnostics are shown in the source and below it.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";

import { isCompilerLoading } from "../engine/compiler";
import { engine, session } from "../engine/session";
import { explain } from "../engine/errors";
import { announce } from "../state/notices";
import { formatCount, joinSentences } from "../ui/format";
import { DiagnosticsChecker } from "./checker";
import type { Editor } from "./codemirror";
import { diagnosticsOf, type SourceDiagnostic } from "./diagnostics";
import { draft, isOwnWork, updateDraft, updateSource } from "./draft";
import { EXAMPLES, type Example } from "./examples";
import { SourceLines } from "./source-lines";
import { loadEditor } from "./lazy-modules";
import { startDraft } from "./start";

export function Program() {
  const editor = useRef<Editor | null>(null);
  const busy = useSignal(false);
  const problems = useSignal<SourceDiagnostic[]>([]);
  const failed = useSignal("");
  const replaced = useSignal<Example | null>(null);
  const checks = useMemo(() => new DiagnosticsChecker(showDiagnostics), []);
  useEffect(() => () => checks.cancel(), []);

  function attachEditor(created: Editor | null): void {
    editor.current = created;
    created?.diagnose(problems.value);
  }

  function showDiagnostics(found: SourceDiagnostic[]): void {
    problems.value = found;
    editor.current?.diagnose(found);
  }

  function clear(): void {
    checks.cancel();
    if (problems.value.length > 0) showDiagnostics([]);
    failed.value = "";
  }

  function handleInput(source: string): void {
    updateSource(source);
    failed.value = "";
    if (problems.value.length > 0) checks.schedule(draft.value.name, source);
  }

  function loadExample({ name, source }: { name: string; source: string }): void {
    clear();
    // The visitor's own source can be restored with one click.
    replaced.value = isOwnWork(draft.value) ? { ...draft.value, about: "" } : null;
    updateDraft({ name, source });
    editor.current?.replace(source);
  }

  async function run(event?: Event): Promise<void> {
    event?.preventDefault();
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    clear();
    try {
      await startDraft(rs, draft.value);
    } catch (error) {
      showError(error);
    } finally {
      busy.value = false;
    }
  }

  function showError(error: unknown): void {
    const found = diagnosticsOf(error);
    showDiagnostics(found ?? []);
    editor.current?.show(found ?? []);
    const { title, message, advice } = explain(error);
    failed.value = found === null ? joinSentences(title, message, advice) : "";
    announce(found === null ? failed.value : `${formatCount(found.length, "error")}. ${found[0]?.message ?? ""}`);
  }

  return (
    <form class="program" onSubmit={(event) => void run(event)} aria-labelledby="program-title" data-testid="program">
      <div class="panel-head">
        <h2 id="program-title">Write a program, or pick one</h2>
        <button
          type="submit"
          class="primary"
          aria-disabled={busy.value || session.value.state !== "open"}
          data-testid="run"
        >
          {isCompilerLoading.value ? "Loading the compiler…" : busy.value ? "Compiling…" : "Run"}{" "}
          <kbd aria-hidden="true">Ctrl ↵</kbd>
        </button>
      </div>
      <Examples current={draft.value.source} onUse={loadExample} />
      {replaced.value === null ? null : (
        <p class="hint" role="status">
          The example replaced your program.{" "}
          <button
            type="button"
            class="link"
            onClick={() => replaced.value !== null && loadExample(replaced.value)}
            data-testid="undo-example"
          >
            Restore it
          </button>
        </p>
      )}
      <div class="names">
        <label for="program-name">Name</label>
        <input
          id="program-name"
          required
          value={draft.value.name}
          onInput={(event) => updateDraft({ name: event.currentTarget.value })}
          autocomplete="off"
          spellcheck={false}
          data-testid="program-name"
        />
        <details open={draft.value.input !== ""}>
          <summary>Input</summary>
          <label for="program-input" class="hidden">
            The input of the program, as JSON
          </label>
          <textarea
            id="program-input"
            class="code"
            rows={2}
            placeholder={'JSON: {"tickets": []}'}
            value={draft.value.input}
            onInput={(event) => updateDraft({ input: event.currentTarget.value })}
            data-testid="program-input"
          />
        </details>
      </div>
      <SourceEditor onEditor={attachEditor} onText={handleInput} onRun={() => void run()} />
      <Problems list={problems.value} failed={failed.value} />
    </form>
  );
}

function Examples({ current, onUse }: { current: string; onUse(example: Example): void }) {
  return (
    <div class="examples" role="group" aria-label="Examples">
      {EXAMPLES.map((example) => (
        <button
          key={example.name}
          type="button"
          class="example"
          aria-pressed={example.source === current}
          onClick={() => onUse(example)}
          data-testid="example"
          data-name={example.name}
        >
          <strong>{example.name}</strong>
          <span>{example.about}</span>
        </button>
      ))}
    </div>
  );
}

/** The source: a plain text field over highlighted lines, which the editor replaces at the first edit. */
function SourceEditor({
  onEditor,
  onText,
  onRun,
}: {
  onEditor(editor: Editor | null): void;
  onText(text: string): void;
  onRun(): void;
}) {
  const host = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const editorPromise = useRef<Promise<Editor | null> | null>(null);
  const ready = useSignal(false);
  const label = useId();

  useEffect(
    () => () => {
      host.current = null;
      void editorPromise.current?.then((editor) => editor?.destroy());
      onEditor(null);
    },
    [],
  );

  function requestEditor(): void {
    editorPromise.current ??= createSourceEditor();
  }

  /** Loads and creates the editor. Without a network the text field stays, and the next focus tries again. */
  async function createSourceEditor(): Promise<Editor | null> {
    try {
      const { createEditor } = await loadEditor();
      if (host.current === null) return null;
      const [hadFocus, cursor] = [field.current === document.activeElement, field.current?.selectionStart ?? 0];
      const editor = createEditor(host.current, draft.peek().source, cursor, label, onText);
      ready.value = true;
      onEditor(editor);
      if (hadFocus) editor.focus();
      return editor;
    } catch (error) {
      console.info("runstate: the editor cannot be loaded, so a plain text field is used:", error);
      editorPromise.current = null;
      return null;
    }
  }

  function handleKeyDown(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    onRun();
  }

  return (
    <div class="code editor" ref={host} onKeyDownCapture={handleKeyDown} data-testid="editor" data-ready={ready.value}>
      <span id={label} class="hidden">
        Source of the program. Press Escape, then Tab to leave the editor.
      </span>
      {ready.value ? null : (
        <div class="field">
          <SourceLines source={draft.value.source} />
          <textarea
            ref={field}
            aria-labelledby={label}
            spellcheck={false}
            value={draft.value.source}
            onPointerEnter={requestEditor}
            onFocus={requestEditor}
            onInput={(event) => onText(event.currentTarget.value)}
            data-testid="editor-field"
          />
        </div>
      )}
    </div>
  );
}

function Problems({ list, failed }: { list: SourceDiagnostic[]; failed: string }) {
  return (
    <div class="problems" role="alert" data-testid="problems">
      {failed === "" ? null : <p class="wrong">{failed}</p>}
      {list.map(({ line, column, message, hint }) => (
        <p key={`${line}:${column} ${message}`} class="wrong" data-testid="diagnostic">
          <code>
            {line}:{column}
          </code>{" "}
          {message}
          {typeof hint === "string" ? <span class="hint"> {hint}</span> : null}
        </p>
      ))}
    </div>
  );
}
