// The list of executions of a store with damaged rows. A list that meets one is refused as a whole; lists of one status, or of one program,
// are refused only where it is among theirs. What neither shows is what shares both with a damaged row.

import { RunstateError, type Runstate, type Summary } from "runstate/slim";

import { STATUSES } from "../ui/words";

/** A list, and why it is not all there is (null: it is). */
export interface Listed {
  list: Summary[];
  damage: RunstateError | null;
}

/** Executions that are read at once: a page of the list, between which the browser has its turns. */
const PAGE = 500;

/** The newest executions, at most `limit`, as far as they can be read. */
export async function listed(rs: Runstate, limit: number): Promise<Listed> {
  try {
    return { list: await paged(rs, limit), damage: null };
  } catch (error) {
    if (!(error instanceof RunstateError) || error.code !== "corrupt") throw error;
    return { list: await salvaged(rs, limit), damage: error };
  }
}

async function paged(rs: Runstate, limit: number): Promise<Summary[]> {
  const list: Summary[] = [];
  for (;;) {
    const wanted = Math.min(PAGE, limit - list.length);
    const page = await rs.cvm.list({ limit: wanted, after: list.at(-1) });
    list.push(...page);
    if (page.length < wanted || list.length >= limit) return list;
  }
}

async function salvaged(rs: Runstate, limit: number): Promise<Summary[]> {
  const programs = (await rs.cvm.programs({ limit: 1_000 })).rows.map(({ name }) => name);
  const parts = await Promise.allSettled([
    ...STATUSES.map((status) => rs.cvm.list({ status, limit })),
    ...programs.map((program) => rs.cvm.history(program, { limit })),
  ]);
  const found = parts.flatMap((part) => (part.status === "fulfilled" ? part.value : []));
  const once = new Map(found.map((summary) => [summary.id, summary]));
  return [...once.values()].sort((a, b) => b.started - a.started).slice(0, limit);
}
