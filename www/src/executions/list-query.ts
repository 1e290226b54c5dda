// Lists executions, also in a store with damaged rows. A query that reads a damaged row fails as a whole. Queries by one status or one program fail
// only if the row matches them. An execution is missing from the result only if it has the status and the program of a damaged row.

import { RunstateError, type Runstate, type ExecutionSummary } from "runstate/slim";

import { STATUSES } from "../ui/format";

/** A list. `damage` says why it is incomplete; null if it is complete. */
export interface ListResult {
  list: ExecutionSummary[];
  damage: RunstateError | null;
}

/** The executions of one page. The browser can run other tasks between pages. */
const PAGE_SIZE = 500;

/** The newest readable executions, at most `limit`. */
export async function listExecutions(rs: Runstate, limit: number): Promise<ListResult> {
  try {
    return { list: await listInPages(rs, limit), damage: null };
  } catch (error) {
    if (!(error instanceof RunstateError) || error.code !== "corrupt") throw error;
    return { list: await listReadable(rs, limit), damage: error };
  }
}

async function listInPages(rs: Runstate, limit: number): Promise<ExecutionSummary[]> {
  const list: ExecutionSummary[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await rs.cvm.list({ limit: Math.min(PAGE_SIZE, limit - list.length), ...(cursor === undefined ? {} : { cursor }) });
    list.push(...page.items);
    if (page.next === undefined || list.length >= limit) return list;
    cursor = page.next;
  }
}

async function listReadable(rs: Runstate, limit: number): Promise<ExecutionSummary[]> {
  const programs = (await rs.cvm.programs({ limit: 1_000 })).items.map(({ name }) => name);
  const parts = await Promise.allSettled([
    ...STATUSES.map((status) => rs.cvm.list({ status, limit })),
    ...programs.map((program) => rs.cvm.history(program, { limit })),
  ]);
  const summaries = parts.flatMap((part) => (part.status === "fulfilled" ? part.value.items : []));
  const byId = new Map(summaries.map((summary) => [summary.id, summary]));
  return [...byId.values()].sort((a, b) => b.started - a.started).slice(0, limit);
}
