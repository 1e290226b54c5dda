// The list of executions, newest first, with a search. The rows are links; arrow keys move between them. Also export,
// import and verification.

import { effect, signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { ExecutionSummary, Runstate } from "runstate/full";

import { Age, Button, useCommand } from "./controls";
import { changedIds, engine, isDurable, makeRefresh, store } from "./engine";
import { executionsIn, formatCount, statusLabel } from "./format";
import { Inbox } from "./inbox";
import { explain, notify, warn } from "./notices";
import { hrefOf, route, showEditor, showExecution } from "./state";

/** The number of executions that are listed at first, and that each press of the button adds. The engine reads at most
 * 1,000 at once. */
const [PAGE_SIZE, MAX_LISTED] = [200, 1_000];

const limit = signal(PAGE_SIZE);
const words = signal("");

/** The listed executions; null until they are read. */
const list = signal<{ items: ExecutionSummary[]; damaged: number; isComplete: boolean } | null>(null);

/** Why the list cannot be read; "" if it can. */
const failure = signal("");

/** Reads the list and follows its changes while the page is open. */
export function followExecutions(rs: Runstate): void {
  const refresh = makeRefresh(async () => {
    const started = performance.now();
    try {
      const { items, damaged = [], next } = await rs.list({ limit: limit.peek() });
      list.value = { items, damaged: damaged.length, isComplete: next === undefined };
      failure.value = "";
    } catch (error) {
      failure.value = explain(error).text;
    }
    // The pause is as long as the read, so that a long list does not block the page.
    await new Promise((resolve) => setTimeout(resolve, performance.now() - started));
  });
  effect(() => {
    void [changedIds.value, limit.value];
    refresh();
  });
}

function matchesWords({ id, programName, prompt, status }: ExecutionSummary): boolean {
  const text = `${id} ${programName} ${prompt ?? ""} ${statusLabel(status)}`.toLowerCase();
  return words.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function moveFocus(event: KeyboardEvent): void {
  const row = document.activeElement?.closest("li");
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
  if (!next) return;
  event.preventDefault();
  next.querySelector("a")?.focus();
}

export function ExecutionList() {
  const { items = [], damaged = 0, isComplete = true } = list.value ?? {};
  const shown = items.filter(matchesWords);
  return (
    <nav class="executions" aria-labelledby="executions-title" data-testid="executions">
      <div class="bar apart">
        <h2 id="executions-title">Executions</h2>
        <ImportButton />
        <Button class="primary" onClick={showEditor} testid="new">New</Button>
      </div>
      <Inbox />
      <input
        type="search"
        placeholder="Search"
        aria-label="Search executions by id, program, question or status"
        value={words.value}
        onInput={(event) => (words.value = event.currentTarget.value)}
        data-testid="search"
      />
      {failure.value !== "" && (
        <p class="wrong" role="alert">The executions cannot be listed: {failure.value}</p>
      )}
      {damaged > 0 && <p class="wrong">{formatCount(damaged, "damaged execution")} cannot be shown.</p>}
      <ul class="rows" onKeyDown={moveFocus} aria-label="Executions, newest first" data-testid="execution-list">
        {shown.map((summary) => <ExecutionRow key={summary.id} {...summary} />)}
      </ul>
      {!isComplete && items.length < MAX_LISTED && (
        <Button onClick={() => (limit.value += PAGE_SIZE)} testid="more">Read older ones</Button>
      )}
      {list.value !== null && shown.length === 0 && (
        <p class="hint">
          {words.value !== "" ? "No execution matches." : "No program has run yet. Pick an example and press Run. It waits at its first question."}
        </p>
      )}
      <StorageLine />
    </nav>
  );
}

function ExecutionRow({ id, programName, status, prompt, openCalls, lastModified }: ExecutionSummary) {
  return (
    <li>
      <a
        class="row"
        href={hrefOf(id)}
        aria-current={route.value.id === id ? "true" : undefined}
        data-testid="execution-row"
        data-id={id}
        data-status={status}
      >
        <span class={`mark ${status}`} role="img" aria-label={statusLabel(status)} title={statusLabel(status)} />
        <strong class="cut">{programName}</strong>
        <span class="hint"><Age at={lastModified} /></span>
        <span class="hint cut">
          {prompt || id}
          {openCalls > 1 ? ` (+${openCalls - 1})` : ""}
        </span>
      </a>
    </li>
  );
}

/** The kind of the store, with a check of everything in it. */
function StorageLine() {
  const { busy, run } = useCommand();
  if (store.value === null) return null;

  async function verify(): Promise<void> {
    const { findings, documents } = await engine().verify();
    const damage = findings.filter(({ severity }) => severity === "damage");
    if (damage.length === 0) notify("No damage", `All ${formatCount(documents, "document")} are intact.`);
    else warn("Stored data is damaged", `${damage.map(({ at, why }) => `${at}: ${why}`).join("; ")}. Everything else still works.`);
  }

  return (
    <p class="storage hint bar" title={store.value.url} data-testid="storage">
      {isDurable.value ? "Saved in this browser." : "In memory only."}
      <Button class="link" busy={busy} onClick={() => run(verify)} testid="verify">{busy ? "Checking …" : "Check all data"}</Button>
    </p>
  );
}

/** Saves an execution with its program as a file that any runstate store can import. */
export async function saveExport(execution: string): Promise<void> {
  const file = await engine().export({ execution });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${execution}.runstate.jsonl`;
  link.click();
  // The browser has read the file by then. A URL that is never revoked would keep the file in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  notify("Exported", `${link.download}: import it on this page in any browser, or with \`runstate import\`.`);
}

/** Imports a file and shows its first execution. */
async function importFile(file: File): Promise<void> {
  try {
    await engine().import(file);
  } catch (error) {
    return warn(`${file.name} was not imported`, `${explain(error).text}. Nothing was changed.`);
  }
  const imported = executionsIn(await file.text());
  notify("Imported", imported.length === 1 ? imported[0] : `${imported.length} executions from ${file.name}`);
  if (imported[0] !== undefined) showExecution(imported[0]);
}

function ImportButton() {
  const input = useRef<HTMLInputElement>(null);
  const { busy, run } = useCommand();

  function importPicked({ currentTarget }: { currentTarget: HTMLInputElement }): void {
    const files = [...(currentTarget.files ?? [])];
    void run(async () => {
      for (const file of files) await importFile(file);
    });
    // Reset, so that picking the same file again triggers another change event.
    currentTarget.value = "";
  }

  return (
    <>
      <Button busy={busy} onClick={() => input.current?.click()} title="Import executions from a file" testid="import">Import</Button>
      <input ref={input} type="file" multiple hidden accept=".jsonl,.json" onChange={importPicked} data-testid="import-file" />
    </>
  );
}
