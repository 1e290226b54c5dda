// The list of all executions, with its filters. The rows are links; arrow keys (or j and k) move between them.

import { computed, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type { ExecutionSummary, Status } from "runstate";

import { StorageLine } from "../page/storage";
import { ImportButton } from "../page/transfer";
import { hrefOf, route, showEditor, showExecution } from "../state/route";
import { tabStorage } from "../state/web-storage";
import { Button } from "../ui/controls";
import { formatAge, formatCount, now, statusLabel, STATUSES } from "../ui/format";
import { VirtualList } from "../ui/virtual-list";
import { filterExecutions, NO_FILTER, programNames, type ExecutionFilter } from "./rows";
import { complete, damage, executions } from "./summaries";

const ROW_PX = 62;

const filter = signal<ExecutionFilter>({ ...NO_FILTER, ...(tabStorage.json("filter") as Partial<ExecutionFilter> | null) });

function changeFilter(part: Partial<ExecutionFilter>): void {
  filter.value = { ...filter.value, ...part };
  tabStorage.set("filter", JSON.stringify(filter.value));
}

/** The executions that match the filter. */
const shown = computed(() => filterExecutions(executions.value, filter.value));

/** Shows an execution that is `offset` rows after the shown one. */
export function moveSelection(offset: number): void {
  const index = shown.value.findIndex(({ id }) => id === route.value.id) + offset;
  const next = shown.value[Math.min(Math.max(index, 0), shown.value.length - 1)];
  if (next !== undefined) showExecution(next.id);
}

export function ExecutionList() {
  const { status, program, words } = filter.value;
  const programs = useComputed(() => programNames(executions.value));
  const selected = useComputed(() => shown.value.findIndex(({ id }) => id === route.value.id));
  const reveal = useSignal(-1);
  useSignalEffect(() => {
    // Scrolls only after a navigation: new rows must not move the list while it is read.
    if (route.value.at === "execution" && complete.value) reveal.value = selected.peek();
  });

  useLayoutEffect(() => {
    // The focus follows the shown execution from row to row.
    if (document.activeElement?.matches(".row")) document.querySelector<HTMLElement>(".row[aria-current]")?.focus({ preventScroll: true });
  }, [route.value.id]);

  function handleKeyDown(event: KeyboardEvent): void {
    const offset = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (offset === undefined || !(event.target instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    moveSelection(offset);
  }

  const [count, total] = [shown.value.length, executions.value.length];
  return (
    <nav class="executions" aria-labelledby="executions-title" data-testid="executions" onKeyDown={handleKeyDown}>
      <div class="bar apart">
        <h2 id="executions-title">Executions</h2>
        <span class="bar">
          <ImportButton />
          <Button class="primary" onClick={showEditor} testid="new">
            New
          </Button>
        </span>
      </div>
      <div class="filters" role="search" aria-label="Executions">
        <input
          id="search"
          type="search"
          placeholder="Search ( / )"
          aria-label="Search executions by id, program or question"
          value={words}
          onInput={(event) => changeFilter({ words: event.currentTarget.value })}
          data-testid="search"
        />
        <select
          aria-label="Filter by status"
          value={status}
          onChange={(event) => changeFilter({ status: event.currentTarget.value as Status | "" })}
          data-testid="filter-status"
        >
          <option value="">Any status</option>
          {STATUSES.map((name) => (
            <option value={name}>{statusLabel(name)}</option>
          ))}
        </select>
        <select
          aria-label="Filter by program"
          value={program}
          onChange={(event) => changeFilter({ program: event.currentTarget.value })}
          data-testid="filter-program"
        >
          <option value="">Any program</option>
          {programs.value.map((name) => (
            <option value={name}>{name}</option>
          ))}
        </select>
      </div>
      <p class="hint" data-testid="execution-count" data-complete={complete.value}>
        {count === total ? "" : `${count.toLocaleString("en")} of `}
        {formatCount(total, "execution")}
      </p>
      {damage.value && (
        <p class="wrong" role="alert" data-testid="list-damage">
          Some executions cannot be listed: {damage.value.message}.
        </p>
      )}
      {count > 0 ? (
        <VirtualList
          label="Executions, newest first"
          items={shown.value}
          rowHeight={ROW_PX}
          pinned={selected.value}
          reveal={reveal}
          testid="execution-list"
          render={(summary, index) => <ExecutionRow summary={summary} selected={index === selected.value} />}
        />
      ) : total > 0 || damage.value ? (
        <p class="hint">
          No execution matches the filters.{" "}
          <Button class="link" onClick={() => changeFilter(NO_FILTER)}>
            Show all
          </Button>
        </p>
      ) : (
        <p class="hint">No program has run yet. Pick an example and press Run. It waits at its first question.</p>
      )}
      <StorageLine />
    </nav>
  );
}

function ExecutionRow({ summary, selected }: { summary: ExecutionSummary; selected: boolean }) {
  const { id, programName, status, prompt, openCalls, lastModified } = summary;
  return (
    <a
      class="row"
      href={hrefOf(id)}
      aria-current={selected ? "true" : undefined}
      data-testid="execution-row"
      data-id={id}
      data-status={status}
    >
      <span class={`mark ${status}`} title={statusLabel(status)}>
        <span class="hidden">{statusLabel(status)}:</span>
      </span>
      <strong class="cut">{programName}</strong>
      <span class="hint">{formatAge(lastModified, now.value)}</span>
      <span class="hint cut">
        {prompt || id}
        {openCalls > 1 ? ` (+${openCalls - 1})` : ""}
      </span>
    </a>
  );
}
