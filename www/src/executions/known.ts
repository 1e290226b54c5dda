// All executions, newest first, kept in step with what every tab does. Which of them are shown is `filter.ts`.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate, type Summary } from "runstate/slim";

import { onNews, type News } from "../engine/changes";
import { tellError } from "../state/notices";
import { listed } from "./salvage";
import { update } from "./update";

/** Read first, so that something is there at once. */
const FIRST = 200;

/** Most that are listed. */
const MOST = 20_000;

/** Up to so many changed ones are looked up one by one; beyond, the list is read anew. */
const ONE_BY_ONE = 24;

/** How long after one refresh the next may come at the soonest, in milliseconds. */
const PAUSE_MS = 120;

/** How many times as long as a refresh took the page is left alone afterwards: the longer the list, the rarer it is read. */
const REST = 3;

export const executions = signal<Summary[]>([]);

/** Whether the list was read to its end. */
export const complete = signal(false);

/** Why the list is not all there is; null: it is. */
export const damage = signal<RunstateError | null>(null);

/** Reads the list, and follows it as long as the page lives. */
export async function follow(rs: Runstate): Promise<void> {
  let pending: News | null = null;
  let reading = true;

  async function refresh(): Promise<void> {
    while (pending !== null) {
      const news: News = pending;
      pending = null;
      const begun = performance.now();
      await apply(rs, news).catch(tellError);
      const pause = Math.max(PAUSE_MS, REST * (performance.now() - begun));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    reading = false;
  }

  onNews((news) => {
    pending = pending === null ? news : merged(pending, news);
    if (reading) return;
    reading = true;
    void refresh();
  });
  try {
    await read(rs, FIRST);
    if (executions.value.length === FIRST) await read(rs, MOST);
    complete.value = true;
  } catch (error) {
    tellError(error);
  }
  await refresh();
}

async function read(rs: Runstate, limit: number): Promise<void> {
  const { list, damage: found } = await listed(rs, limit);
  executions.value = list;
  damage.value = found;
}

async function apply(rs: Runstate, news: News): Promise<void> {
  const changed = [...news.executions];
  if (news.all || changed.length > ONE_BY_ONE) {
    await read(rs, MOST);
    return;
  }
  const { list: newest } = await listed(rs, ONE_BY_ONE);
  const found = new Map(newest.map((summary) => [summary.id, summary]));
  const before = new Map(executions.value.map((summary) => [summary.id, summary]));
  const gone = new Set(news.deleted);
  for (const id of changed) {
    if (found.has(id) || gone.has(id)) continue;
    const known = before.get(id);
    const summary = known === undefined ? null : await lookedUp(rs, known);
    if (summary === null) gone.add(id);
    else found.set(id, summary);
  }
  executions.value = update(executions.value, found, gone);
}

/** How an older execution stands now; null: it is gone. */
async function lookedUp(rs: Runstate, known: Summary): Promise<Summary | null> {
  try {
    const run = await rs.cvm.run(known.id);
    const open = run.status === "waiting_cc" ? await rs.cvm.calls({ execution: known.id, open: true, limit: 1 }) : null;
    const prompt = open?.rows[0]?.prompt ?? null;
    return { ...known, status: run.status, prompt, lastModified: Date.now() };
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    // It is shown as it was known; what is wrong with it is said where it is opened.
    if (error instanceof RunstateError && error.code === "corrupt") return known;
    throw error;
  }
}

function merged(a: News, b: News): News {
  return {
    executions: new Set([...a.executions, ...b.executions]),
    deleted: new Set([...a.deleted, ...b.deleted]),
    all: a.all || b.all,
  };
}
