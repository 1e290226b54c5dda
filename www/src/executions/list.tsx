// The list of all executions, with its filters. The rows are links; arrow keys (or j and k) move between them.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { Status, ExecutionSummary } from "runstate";

import { ImportButton } from "../page/import";
import { StorageLine } from "../page/storage-line";
import { tabStorage } from "../state/web-storage";
import { hrefOf, route, showExecution, showEditor } from "../state/route";
import { now } from "../ui/time";
import { StatusMark } from "../ui/status";
import { VirtualList } from "../ui/virtual-list";
import { formatAge, formatCount, statusLabel, STATUSES } from "../ui/format";
import { NO_FILTER, filterExecutions, programNames, type ExecutionFilter } from "./filter";
import { complete, damage, executions } from "./summaries";
import { selectionOffset } from "./selection-offset";

const ROW_PX = 62;

export function ExecutionList() {
  const filter = useSignal<ExecutionFilter>(storedFilter());
  const shown = useComputed(() => filterExecutions(executions.value, filter.value));
  const selected = useComputed(() => {
    const at = route.value;
    return at.at === "execution" ? shown.value.findIndex(({ id }) => id === at.id) : -1;
  });
  const programs = useComputed(() => programNames(executions.value));
  const reveal = useSignal(-1);
  useSignalEffect(() => {
    // Scrolls only after a navigation: new rows must not move the list while it is read.
    if (route.value.at === "execution" && complete.value) reveal.value = selected.peek();
  });

  function change(part: Partial<ExecutionFilter>): void {
    filter.value = { ...filter.value, ...part };
    tabStorage.set("filter", JSON.stringify(filter.value));
  }

  function go(by: number): void {
    const next = shown.value[Math.min(Math.max(selected.value + by, 0), shown.value.length - 1)];
    if (next !== undefined) showExecution(next.id);
  }

  useSignalEffect(() => {
    if (selectionOffset.value !== 0) {
      go(selectionOffset.value);
      selectionOffset.value = 0;
    }
  });

  function handleKeyDown(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (by === undefined || !(event.target instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    const frame = event.currentTarget as HTMLElement;
    go(by);
    // The row may be rendered only in the next frame.
    requestAnimationFrame(() => frame.querySelector<HTMLElement>("a[aria-current]")?.focus({ preventScroll: true }));
  }

  return (
    <nav class="executions" aria-labelledby="executions-title" data-testid="executions" onKeyDown={handleKeyDown}>
      <div class="panel-head">
        <h2 id="executions-title">Executions</h2>
        <span class="list-actions">
          <ImportButton />
          <button type="button" class="primary small" onClick={showEditor} data-testid="new">
            New
          </button>
        </span>
      </div>
      <div class="filters" role="search" aria-label="Executions">
        <input
          id="search"
          type="search"
          placeholder="Search ( / )"
          aria-label="Search executions by id, program or question"
          value={filter.value.words}
          onInput={(event) => change({ words: event.currentTarget.value })}
          data-testid="search"
        />
        <select
          aria-label="Filter by status"
          value={filter.value.status}
          onChange={(event) => change({ status: event.currentTarget.value as Status | "" })}
          data-testid="filter-status"
        >
          <option value="">Any status</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {statusLabel(status)}
            </option>
          ))}
        </select>
        <select
          aria-label="Filter by program"
          value={filter.value.program}
          onChange={(event) => change({ program: event.currentTarget.value })}
          data-testid="filter-program"
        >
          <option value="">Any program</option>
          {programs.value.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <p class="count" data-testid="execution-count" data-complete={complete.value}>
        {shown.value.length === executions.value.length
          ? formatCount(executions.value.length, "execution")
          : `${shown.value.length.toLocaleString("en")} of ${formatCount(executions.value.length, "execution")}`}
      </p>
      {damage.value === null ? null : (
        <p class="wrong damage" role="alert" data-testid="list-damage">
          Some executions cannot be listed: {damage.value.message}.
        </p>
      )}
      {shown.value.length === 0 ? (
        <EmptyList any={executions.value.length > 0 || damage.value !== null} onAll={() => change(NO_FILTER)} />
      ) : (
        <VirtualList
          label="Executions, newest first"
          count={shown.value.length}
          rowHeight={ROW_PX}
          pinned={selected.value}
          reveal={reveal}
          testid="execution-list"
          keyOf={(index) => shown.value[index]?.id ?? String(index)}
          render={(index) => <ExecutionRow summary={shown.value[index]} selected={index === selected.value} />}
        />
      )}
      <StorageLine />
    </nav>
  );
}

function ExecutionRow({ summary, selected }: { summary: ExecutionSummary | undefined; selected: boolean }) {
  if (summary === undefined) return null;
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
      <StatusMark status={status} />
      <span class="row-name">{programName}</span>
      <span class="row-age">{formatAge(lastModified, now.value)}</span>
      <span class="row-prompt">
        {prompt !== null && prompt !== "" ? prompt : id}
        {openCalls > 1 ? ` (+${openCalls - 1})` : ""}
      </span>
    </a>
  );
}

function EmptyList({ any, onAll }: { any: boolean; onAll(): void }) {
  if (!any)
    return <p class="empty">No program has run yet. Pick an example and press Run. It waits at its first question.</p>;
  return (
    <p class="empty">
      No execution matches the filters.{" "}
      <button type="button" class="link" onClick={onAll}>
        Show all
      </button>
    </p>
  );
}

function storedFilter(): ExecutionFilter {
  const value = tabStorage.json("filter");
  return typeof value === "object" && value !== null ? { ...NO_FILTER, ...value } : NO_FILTER;
}
