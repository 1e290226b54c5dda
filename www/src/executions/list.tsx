// The list of all executions, with its filters. The rows are links; arrow keys (or j and k) go from one to the next.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { Status, Summary } from "runstate";

import { ImportButton } from "../page/import";
import { StorageLine } from "../page/storage-line";
import { inTab } from "../state/kept";
import { hrefOf, route, show, showNew } from "../state/route";
import { now } from "../ui/time";
import { StatusMark } from "../ui/status";
import { VirtualList } from "../ui/virtual";
import { ago, count, statusWord, STATUSES } from "../ui/words";
import { EVERYTHING, filtered, programsOf, type Filter } from "./filter";
import { complete, damage, executions } from "./known";
import { steps } from "./steps";

const ROW_PX = 62;

export function ExecutionList() {
  const filter = useSignal<Filter>(kept());
  const shown = useComputed(() => filtered(executions.value, filter.value));
  const selected = useComputed(() => {
    const at = route.value;
    return at.at === "execution" ? shown.value.findIndex(({ id }) => id === at.id) : -1;
  });
  const programs = useComputed(() => programsOf(executions.value));
  const reveal = useSignal(-1);
  useSignalEffect(() => {
    // Only where somebody goes elsewhere: new rows above must not move what is being read.
    if (route.value.at === "execution" && complete.value) reveal.value = selected.peek();
  });

  function change(part: Partial<Filter>): void {
    filter.value = { ...filter.value, ...part };
    inTab.set("filter", JSON.stringify(filter.value));
  }

  function go(by: number): void {
    const next = shown.value[Math.min(Math.max(selected.value + by, 0), shown.value.length - 1)];
    if (next !== undefined) show(next.id);
  }

  useSignalEffect(() => {
    if (steps.value !== 0) {
      go(steps.value);
      steps.value = 0;
    }
  });

  function keys(event: KeyboardEvent): void {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (by === undefined || !(event.target instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    const frame = event.currentTarget as HTMLElement;
    go(by);
    // The row may be drawn only now.
    requestAnimationFrame(() => frame.querySelector<HTMLElement>("a[aria-current]")?.focus({ preventScroll: true }));
  }

  return (
    <nav class="executions" aria-labelledby="executions-title" data-testid="executions" onKeyDown={keys}>
      <div class="panel-head">
        <h2 id="executions-title">Executions</h2>
        <span class="list-actions">
          <ImportButton />
          <button type="button" class="primary small" onClick={showNew} data-testid="new">
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
          aria-label="Only of this status"
          value={filter.value.status}
          onChange={(event) => change({ status: event.currentTarget.value as Status | "" })}
          data-testid="filter-status"
        >
          <option value="">Any status</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {statusWord(status)}
            </option>
          ))}
        </select>
        <select
          aria-label="Only of this program"
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
          ? count(executions.value.length, "execution")
          : `${shown.value.length.toLocaleString("en")} of ${count(executions.value.length, "execution")}`}
      </p>
      {damage.value === null ? null : (
        <p class="wrong damage" role="alert" data-testid="list-damage">
          Not all can be listed: {damage.value.message}.
        </p>
      )}
      {shown.value.length === 0 ? (
        <Nothing any={executions.value.length > 0 || damage.value !== null} onAll={() => change(EVERYTHING)} />
      ) : (
        <VirtualList
          label="Executions, newest first"
          count={shown.value.length}
          rowHeight={ROW_PX}
          pinned={selected.value}
          reveal={reveal}
          testid="execution-list"
          keyOf={(index) => shown.value[index]?.id ?? String(index)}
          render={(index) => <Row summary={shown.value[index]} selected={index === selected.value} />}
        />
      )}
      <StorageLine />
    </nav>
  );
}

function Row({ summary, selected }: { summary: Summary | undefined; selected: boolean }) {
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
      <span class="row-age">{ago(lastModified, now.value)}</span>
      <span class="row-what">
        {prompt !== null && prompt !== "" ? prompt : id}
        {openCalls > 1 ? ` (+${openCalls - 1})` : ""}
      </span>
    </a>
  );
}

function Nothing({ any, onAll }: { any: boolean; onAll(): void }) {
  if (!any)
    return <p class="empty">Nothing has run yet. Pick an example and press Run: it stops at its first question.</p>;
  return (
    <p class="empty">
      None of them is like that.{" "}
      <button type="button" class="link" onClick={onAll}>
        Show all
      </button>
    </p>
  );
}

function kept(): Filter {
  const value = inTab.json("filter");
  return typeof value === "object" && value !== null ? { ...EVERYTHING, ...value } : EVERYTHING;
}
