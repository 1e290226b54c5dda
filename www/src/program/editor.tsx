// Writing a program: pick an example or begin with nothing, name it, run it. What the compiler says stands in the text and below it.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";

import { compilerComing } from "../engine/compiler";
import { engine, session } from "../engine/session";
import { explain } from "../engine/errors";
import { speak } from "../state/notices";
import { count, sentences } from "../ui/words";
import { Checks } from "./check";
import type { Editor } from "./codemirror";
import { diagnosticsOf, type Diagnostic } from "./diagnostics";
import { draft, isOwnWork, write, writeSource } from "./draft";
import { EXAMPLES, type Example } from "./examples";
import { Lines } from "./lines";
import { loadEditor } from "./load";
import { start } from "./start";

export function Program() {
  const editor = useRef<Editor | null>(null);
  const busy = useSignal(false);
  const problems = useSignal<Diagnostic[]>([]);
  const failed = useSignal("");
  const replaced = useSignal<Example | null>(null);
  const checks = useMemo(() => new Checks(say), []);
  useEffect(() => () => checks.stop(), []);

  function took(made: Editor | null): void {
    editor.current = made;
    made?.diagnose(problems.value);
  }

  function say(found: Diagnostic[]): void {
    problems.value = found;
    editor.current?.diagnose(found);
  }

  function clear(): void {
    checks.stop();
    if (problems.value.length > 0) say([]);
    failed.value = "";
  }

  function typed(source: string): void {
    writeSource(source);
    failed.value = "";
    if (problems.value.length > 0) checks.soon(draft.value.name, source);
  }

  function use({ name, source }: { name: string; source: string }): void {
    clear();
    // Own work is given back by one press; it is never simply gone.
    replaced.value = isOwnWork(draft.value) ? { ...draft.value, about: "" } : null;
    write({ name, source });
    editor.current?.replace(source);
  }

  async function run(event?: Event): Promise<void> {
    event?.preventDefault();
    const rs = engine();
    if (rs === null || busy.value) return;
    busy.value = true;
    clear();
    try {
      await start(rs, draft.value);
    } catch (error) {
      refused(error);
    } finally {
      busy.value = false;
    }
  }

  function refused(error: unknown): void {
    const found = diagnosticsOf(error);
    say(found ?? []);
    editor.current?.show(found ?? []);
    const { title, what, todo } = explain(error);
    failed.value = found === null ? sentences(title, what, todo) : "";
    speak(found === null ? failed.value : `${count(found.length, "error")}. ${found[0]?.message ?? ""}`);
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
          {compilerComing.value ? "Loading the compiler…" : busy.value ? "Compiling…" : "Run"}{" "}
          <kbd aria-hidden="true">Ctrl ↵</kbd>
        </button>
      </div>
      <Examples current={draft.value.source} onUse={use} />
      {replaced.value === null ? null : (
        <p class="hint" role="status">
          Your program made room for the example.{" "}
          <button
            type="button"
            class="link"
            onClick={() => replaced.value !== null && use(replaced.value)}
            data-testid="undo-example"
          >
            Take it back
          </button>
        </p>
      )}
      <div class="names">
        <label for="program-name">Name</label>
        <input
          id="program-name"
          required
          value={draft.value.name}
          onInput={(event) => write({ name: event.currentTarget.value })}
          autocomplete="off"
          spellcheck={false}
          data-testid="program-name"
        />
        <details open={draft.value.input !== ""}>
          <summary>Input</summary>
          <label for="program-input" class="hidden">
            What the program is given as input, as JSON
          </label>
          <textarea
            id="program-input"
            class="code"
            rows={2}
            placeholder={'JSON: {"tickets": []}'}
            value={draft.value.input}
            onInput={(event) => write({ input: event.currentTarget.value })}
            data-testid="program-input"
          />
        </details>
      </div>
      <Text onEditor={took} onText={typed} onRun={() => void run()} />
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

/** The text: a plain field over the lines, which the editor replaces at the first edit. */
function Text({
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
  const made = useRef<Promise<Editor | null> | null>(null);
  const ready = useSignal(false);
  const label = useId();

  useEffect(
    () => () => {
      host.current = null;
      void made.current?.then((editor) => editor?.destroy());
      onEditor(null);
    },
    [],
  );

  function take(): void {
    made.current ??= make();
  }

  /** Without a network the field stays, and the next focus tries again. */
  async function make(): Promise<Editor | null> {
    try {
      const { edit } = await loadEditor();
      if (host.current === null) return null;
      const [had, cursor] = [field.current === document.activeElement, field.current?.selectionStart ?? 0];
      const editor = edit(host.current, draft.peek().source, cursor, label, onText);
      ready.value = true;
      onEditor(editor);
      if (had) editor.focus();
      return editor;
    } catch (error) {
      console.info("runstate: a plain field stays in place of the editor:", error);
      made.current = null;
      return null;
    }
  }

  function keys(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    onRun();
  }

  return (
    <div class="code editor" ref={host} onKeyDownCapture={keys} data-testid="editor" data-ready={ready.value}>
      <span id={label} class="hidden">
        Source of the program. Escape, then Tab leaves the editor.
      </span>
      {ready.value ? null : (
        <div class="field">
          <Lines source={draft.value.source} />
          <textarea
            ref={field}
            aria-labelledby={label}
            spellcheck={false}
            value={draft.value.source}
            onPointerEnter={take}
            onFocus={take}
            onInput={(event) => onText(event.currentTarget.value)}
            data-testid="editor-field"
          />
        </div>
      )}
    </div>
  );
}

function Problems({ list, failed }: { list: Diagnostic[]; failed: string }) {
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
