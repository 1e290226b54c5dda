// The form for a program: examples, name, input, source, and the button that runs it. Diagnostics are shown in the source and below it.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { isCompilerLoading } from "../engine/compiler";
import { explain } from "../engine/errors";
import { store } from "../engine/session";
import { announce } from "../state/notices";
import { Button } from "../ui/controls";
import { formatCount, joinSentences } from "../ui/format";
import { useCommand } from "../ui/hooks";
import { diagnose, diagnosticsOf, type SourceDiagnostic } from "./diagnostics";
import { draft, startDraft, updateDraft } from "./draft";
import { EXAMPLES, programName } from "./examples";
import { SourceEditor } from "./source-editor";

/** The pause in typing before a source with errors is compiled again, in milliseconds. */
const DEBOUNCE_MS = 300;

const NO_PROBLEMS = { list: [] as SourceDiagnostic[], reveals: false };

export function Program() {
  const problems = useSignal(NO_PROBLEMS);
  const failed = useSignal("");
  const replaced = useSignal<{ name: string; source: string } | null>(null);
  const { busy, run } = useCommand(showError);
  const { name, source, input } = draft.value;

  // The source is checked only after a compilation has failed, because the compiler is not loaded before.
  useEffect(() => {
    if (problems.peek().list.length === 0) return undefined;
    let isOutdated = false;
    const timer = setTimeout(async () => {
      const list = await diagnose(name, source);
      if (list !== null && !isOutdated) problems.value = { list, reveals: false };
    }, DEBOUNCE_MS);
    return () => {
      isOutdated = true;
      clearTimeout(timer);
    };
  }, [source]);

  function clear(): void {
    problems.value = NO_PROBLEMS;
    failed.value = "";
  }

  function handleInput(text: string): void {
    updateDraft({ source: text, name: programName(text, draft.value.name, EXAMPLES) });
    failed.value = "";
  }

  function load(program: { name: string; source: string }): void {
    clear();
    // The visitor's own source can be restored with one click.
    const isOwnWork = source.trim() !== "" && EXAMPLES.every((example) => example.source !== source);
    replaced.value = isOwnWork ? { name, source } : null;
    updateDraft({ name: program.name, source: program.source });
  }

  function start(event?: Event): void {
    event?.preventDefault();
    if (store.value === null) return;
    clear();
    void run(startDraft);
  }

  function showError(error: unknown): void {
    const list = diagnosticsOf(error);
    const { title, message, advice } = explain(error);
    problems.value = { list: list ?? [], reveals: true };
    failed.value = list === null ? joinSentences(title, message, advice) : "";
    announce(list === null ? failed.value : `${formatCount(list.length, "error")}. ${list[0]?.message ?? ""}`);
  }

  return (
    <form class="program stack" onSubmit={start} aria-labelledby="program-title" data-testid="program">
      <div class="bar apart">
        <h2 id="program-title">Write a program, or pick one</h2>
        <Button type="submit" class="primary" busy={busy || store.value === null} testid="run">
          {isCompilerLoading.value ? "Loading the compiler…" : busy ? "Compiling…" : "Run"} <kbd aria-hidden="true">Ctrl ↵</kbd>
        </Button>
      </div>
      <div class="examples" role="group" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <Button
            key={example.name}
            aria-pressed={example.source === source}
            onClick={() => load(example)}
            testid="example"
            data-name={example.name}
          >
            <strong>{example.name}</strong>
            <span class="hint">{example.about}</span>
          </Button>
        ))}
      </div>
      {replaced.value && (
        <p class="hint" role="status">
          The example replaced your program.{" "}
          <Button class="link" onClick={() => replaced.value && load(replaced.value)} testid="undo-example">
            Restore it
          </Button>
        </p>
      )}
      <div class="names bar">
        <label for="program-name">Name</label>
        <input
          id="program-name"
          required
          value={name}
          onInput={(event) => updateDraft({ name: event.currentTarget.value })}
          autocomplete="off"
          spellcheck={false}
          data-testid="program-name"
        />
        <details open={input !== ""}>
          <summary>Input</summary>
          <textarea
            class="code"
            rows={2}
            aria-label="The input of the program, as JSON"
            placeholder={'JSON: {"tickets": []}'}
            value={input}
            onInput={(event) => updateDraft({ input: event.currentTarget.value })}
            data-testid="program-input"
          />
        </details>
      </div>
      <SourceEditor problems={problems.value} onText={handleInput} onRun={start} />
      <div role="alert" data-testid="problems">
        <p class="wrong">{failed.value}</p>
        {problems.value.list.map(({ line, column, message, hint }) => (
          <p key={`${line}:${column} ${message}`} class="wrong" data-testid="diagnostic">
            <code>
              {line}:{column}
            </code>{" "}
            {message}
            {hint && <span class="hint"> {hint}</span>}
          </p>
        ))}
      </div>
    </form>
  );
}
