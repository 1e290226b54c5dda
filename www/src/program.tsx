// The form for a program: examples, name, input, source, and the button that runs it. Diagnostics are shown in the
// source and below it.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Diagnostic, Json } from "runstate/full";

import { Button, useCommand } from "./controls";
import { compile, engine, store } from "./engine";
import { EXAMPLES, programName, type Example } from "./examples";
import { explain, hasCode, notifyError } from "./notices";
import { SourceEditor } from "./source";
import { randomWord, showExecution, texts } from "./state";

type Program = Pick<Example, "name" | "source">;

/** The program in the editor, with its input as JSON; "" for none. Every key stroke is saved in local storage, so it
 * survives the tab. */
const draft = signal({ ...EXAMPLES[0], input: "", ...texts.read<Partial<Program & { input: string }>>("program") });

function updateDraft(part: Partial<typeof draft.value>): void {
  draft.value = { ...draft.value, ...part };
  texts.write("program", draft.value);
}

/** Compiles, loads and starts the program. The page shows the execution at once, before it waits for the first time. */
async function startDraft(): Promise<void> {
  const { name, source, input } = draft.value;
  const options = input.trim() === "" ? {} : { input: parseInput(input) };
  const { runs } = engine();
  await runs.load({ name, source });
  const id = `${name}-${randomWord(5)}`;
  // The start is not awaited: the program may run for a long time, or forever, before it waits.
  runs.start(name, { id, ...options }).catch(notifyError);
  showExecution(id);
}

function parseInput(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`the input is not valid JSON: ${(error as Error).message}. Correct it, or leave it empty`);
  }
}

/** The diagnostics of a compile error; null for any other error. */
function diagnosticsOf(error: unknown): Diagnostic[] | null {
  return hasCode(error, "compile_error") ? ((error.details as { diagnostics: Diagnostic[] } | undefined)?.diagnostics ?? []) : null;
}

/** The pause in typing before a source with errors is compiled again, in milliseconds. */
const DEBOUNCE_MS = 300;

export function Program() {
  const problems = useSignal<Diagnostic[]>([]);
  const failed = useSignal("");
  const replaced = useSignal<Program | null>(null);
  const { busy, run } = useCommand(showError);
  const { name, source, input } = draft.value;

  // The source is checked while it is typed, once it had an error.
  useEffect(() => {
    if (problems.peek().length === 0) return undefined;
    let isOutdated = false;
    const timer = setTimeout(async () => {
      const list = await compile(name, source).then(() => [], diagnosticsOf);
      if (list !== null && !isOutdated) problems.value = list;
    }, DEBOUNCE_MS);
    return () => {
      isOutdated = true;
      clearTimeout(timer);
    };
  }, [source]);

  function showError(error: unknown): void {
    const list = diagnosticsOf(error);
    problems.value = list ?? [];
    failed.value = list?.length ? "" : explain(error).text;
  }

  function clear(): void {
    problems.value = [];
    failed.value = "";
  }

  function load(program: Program): void {
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

  return (
    <form class="stack" onSubmit={start} aria-labelledby="program-title" data-testid="program">
      <div class="bar apart">
        <h2 id="program-title">Write a program, or pick one</h2>
        <Button type="submit" class="primary" busy={busy || store.value === null} testid="run">
          {busy ? "Compiling…" : "Run"} <kbd aria-hidden="true">Ctrl ↵</kbd>
        </Button>
      </div>
      <div class="examples" role="group" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <Button key={example.name} aria-pressed={example.source === source} onClick={() => load(example)} testid="example" data-name={example.name}>
            <strong>{example.name}</strong>
            <span class="hint">{example.about}</span>
          </Button>
        ))}
      </div>
      {replaced.value && (
        <p class="hint" role="status">
          The example replaced your program.{" "}
          <Button class="link" onClick={() => replaced.value && load(replaced.value)} testid="undo-example">Restore it</Button>
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
      <SourceEditor
        source={source}
        wrongLines={problems.value.map(({ line }) => line)}
        onText={(text) => updateDraft({ source: text, name: programName(text, draft.value.name, EXAMPLES) })}
        onRun={start}
      />
      <div role="alert" data-testid="problems">
        <p class="wrong">{failed.value}</p>
        {problems.value.map(({ line, column, message, hint }) => (
          <p key={`${line}:${column} ${message}`} class="wrong" data-testid="diagnostic">
            <code>{line}:{column}</code> {message} {hint && <span class="hint">{hint}</span>}
          </p>
        ))}
      </div>
    </form>
  );
}
