// The level of sessions with their health, each above its tasks.

import type { Session } from "runstate/sessions";

import type { Row, TreeNode } from "../editor.ts";
import { count, formatAge } from "../format.ts";
import { type SessionRow, hasEnded } from "../sessions/session-reader.ts";
import type { Snapshot } from "../store.ts";
import type { Level } from "./level.ts";
import type { TasksLevel } from "./tasks.ts";

/** The health of a session by the time since its heartbeat, in milliseconds: the default settings of the domain. */
const HEALTH = [
  { below: 60_000, text: "healthy", color: "charts.green" },
  { below: 120_000, text: "degraded", color: "charts.yellow" },
  { below: 300_000, text: "unresponsive", color: "charts.orange" },
  { below: Infinity, text: "stale", color: "charts.red" },
];

/** How a status other than active is shown. */
const STATUSES: { readonly [status in Exclude<Session["status"], "active">]: { icon: string; color?: string } } = {
  paused: { icon: "debug-pause", color: "charts.blue" },
  stalled: { icon: "debug-disconnect", color: "charts.orange" },
  completed: { icon: "pass", color: "charts.green" },
  failed: { icon: "error", color: "charts.red" },
};

export class SessionNode implements TreeNode {
  constructor(
    readonly session: Session,
    private readonly progress: string,
    readonly children: TreeNode[],
    /** Whether this window drives it. */
    private readonly isMine: boolean,
    private readonly now: number,
  ) {}

  get row(): Row {
    const { id, projectId, status } = this.session;
    const { text, color } = healthOf(this.session, this.now);
    const shown = status === "active" ? { icon: "pulse", color } : STATUSES[status];
    return {
      id: `session ${id}`,
      label: projectId,
      description: [this.#state(text), this.isMine && "this window", this.progress].filter(Boolean).join(" · "),
      tooltip: this.#tooltip(text),
      ...shown,
      context: `session ${status}${this.isMine ? " mine" : ""}`,
      expanded: !hasEnded(this.session),
    };
  }

  #state(health: string): string {
    const { status, lastHeartbeat } = this.session;
    if (status === "active") return health;
    if (status === "paused") return health === "healthy" ? "paused" : `paused, ${health}`;
    return status === "stalled" ? `stalled, silent ${formatAge(this.now - lastHeartbeat)}` : status;
  }

  #tooltip(health: string): string {
    const { id, status, projectId, machineId, startedAt, lastHeartbeat, recovery, epoch, metadata } = this.session;
    const reason = metadata[`${status}_reason`];
    const times = recovery.attempts === 0 ? "" : `, recovered ${count(recovery.attempts, "time")}`;
    const lines = [
      `${projectId} — ${status}${typeof reason === "string" ? `: ${reason}` : ""}`,
      `started ${new Date(startedAt).toLocaleString()}`,
      health !== "healthy" && `last heartbeat ${new Date(lastHeartbeat).toLocaleString()}`,
      !hasEnded(this.session) && `${health}${times}`,
      `machine ${machineId}, epoch ${epoch}`,
      id,
    ];
    return lines.filter(Boolean).join("\n\n");
  }
}

/** The way to a first program, as long as the view shows nothing but sessions. */
class HintNode implements TreeNode {
  readonly children: TreeNode[] = [];
  readonly row: Row = {
    id: "hint",
    label: "No program has run yet",
    description: "open the example",
    icon: "lightbulb",
    context: "hint",
    command: "runstate.openExample",
  };
}

function healthOf({ lastHeartbeat }: Session, now: number): { text: string; color: string } {
  return HEALTH.find(({ below }) => now - lastHeartbeat < below) ?? { text: "stale", color: "charts.red" };
}

/** Completed tasks and all. */
function progressOf({ tasks, moreTasks }: SessionRow): string {
  if (tasks.length === 0) return "";
  const completed = tasks.filter(({ status }) => status === "completed").length;
  return `${completed}/${tasks.length}${moreTasks ? "+" : ""}`;
}

export class SessionsLevel implements Level {
  constructor(
    private readonly tasks: TasksLevel,
    private readonly isMine: (session: Session) => boolean,
    private readonly now: () => number,
  ) {}

  nodes(snapshot: Snapshot): TreeNode[] {
    const nothingRan = snapshot.executions.length === 0 && snapshot.sessions.every(({ tasks }) => tasks.length === 0);
    const nodes = snapshot.sessions.map((row) => {
      const isMine = this.isMine(row.session);
      const children = nothingRan && isMine ? [new HintNode()] : this.tasks.nodes(snapshot, row);
      return { isMine, node: new SessionNode(row.session, progressOf(row), children, isMine, this.now()) };
    });
    return nodes.sort((a, b) => Number(b.isMine) - Number(a.isMine)).map(({ node }) => node);
  }
}
