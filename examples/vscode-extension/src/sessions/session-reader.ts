// Reads the sessions that views show, with their tasks.

import type { Runstate } from "runstate";
import type { Session, TaskPage } from "runstate/sessions";
import type { DamagedDocument } from "runstate/types";

/** A task of a session. The package exports another type under the name `Task`. */
export type SessionTask = TaskPage["items"][number];

export interface SessionRow {
  session: Session;
  /** In the order in which they were added. */
  tasks: SessionTask[];
  /** Whether it has more tasks than are listed. */
  moreTasks: boolean;
}

/** The largest number of sessions, and of tasks of a session. */
const SESSIONS = 100;
const TASKS = 200;

/** How long ended sessions are shown, in milliseconds. */
const ENDED_MS = 86_400_000;

/** Reads sessions. The tasks of one that has not changed are not read again, because every heartbeat causes a read. */
export class SessionReader {
  #rows = new Map<string, SessionRow>();

  /** Reads the sessions with the latest heartbeats; those that have not ended first. */
  async read(rs: Runstate): Promise<{ sessions: SessionRow[]; damaged: DamagedDocument[] }> {
    const { items, damaged = [] } = await rs.sessions.session.list({ sort: "lastHeartbeat", descending: true, limit: SESSIONS });
    const shown = items.filter((session) => !hasEnded(session) || (session.completedAt ?? 0) > Date.now() - ENDED_MS);
    const rows = await Promise.all(shown.map((session) => this.#readRow(rs, session)));
    this.#rows = new Map(rows.map((row) => [row.session.id, row]));
    const sessions = rows.sort((a, b) => rank(a.session) - rank(b.session) || a.session.startedAt - b.session.startedAt);
    return { sessions, damaged };
  }

  /** Reads the tasks of all sessions at the next time: one of them has changed. */
  forgetTasks(): void {
    this.#rows.clear();
  }

  async #readRow(rs: Runstate, session: Session): Promise<SessionRow> {
    const known = this.#rows.get(session.id);
    if (known && JSON.stringify(known.session) === JSON.stringify(session)) return known;
    const { items, next } = await rs.sessions.task.list({ session: session.id, limit: TASKS });
    const tasks = items.sort((a, b) => a.createdAt - b.createdAt);
    return { session, tasks, moreTasks: next !== undefined };
  }
}

/** Whether a session was completed or has failed. */
export function hasEnded(session: Session): session is Session & { status: "completed" | "failed" } {
  return session.status === "completed" || session.status === "failed";
}

function rank(session: Session): number {
  return hasEnded(session) ? 1 : 0;
}
