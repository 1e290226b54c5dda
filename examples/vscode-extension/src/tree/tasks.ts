// The level of tasks below their session, each above the executions of its program.

import type { Row, TreeNode } from "../editor.ts";
import { formatCoarseAge, oneLine } from "../format.ts";
import type { SessionRow, SessionTask } from "../sessions/session-reader.ts";
import type { Snapshot } from "../store.ts";
import type { ExecutionsLevel } from "./executions.ts";
import type { Level } from "./level.ts";

const STATUSES: { readonly [status in SessionTask["status"]]: { icon: string; color?: string; text: string } } = {
  pending: { icon: "circle-large-outline", text: "pending" },
  in_progress: { icon: "play-circle", color: "charts.blue", text: "in progress" },
  blocked: { icon: "circle-slash", color: "charts.orange", text: "blocked" },
  completed: { icon: "pass", color: "charts.green", text: "completed" },
  failed: { icon: "error", color: "charts.red", text: "failed" },
};

export class TaskNode implements TreeNode {
  constructor(
    readonly task: SessionTask,
    readonly children: TreeNode[],
    private readonly now: number,
  ) {}

  get row(): Row {
    const { task_id, task_name, status, created_at, retry_count, depends_on } = this.task;
    const { icon, color, text } = STATUSES[status];
    const error = this.task.status === "failed" ? this.task.error_message : null;
    const lines = [
      `${oneLine(task_name)} — ${text}${error === null ? "" : `: ${oneLine(error)}`}`,
      depends_on.length > 0 && `after ${depends_on.join(", ")}`,
      retry_count > 0 && `retried ${retry_count} times`,
      task_id,
    ];
    return {
      id: `task ${task_id}`,
      label: oneLine(task_name),
      description: `${text} · ${formatCoarseAge(this.now - created_at)}`,
      tooltip: lines.filter(Boolean).join("\n\n"),
      icon,
      color,
      context: `task ${status}`,
      expanded: status === "in_progress",
    };
  }
}

export class TasksLevel implements Level<SessionRow> {
  constructor(
    private readonly executions: ExecutionsLevel,
    private readonly now: () => number,
  ) {}

  nodes(snapshot: Snapshot, { tasks }: SessionRow): TreeNode[] {
    return tasks.map((task) => new TaskNode(task, this.executions.nodes(snapshot, task.task_id), this.now()));
  }
}
