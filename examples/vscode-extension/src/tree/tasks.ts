// The level of tasks below their session, each above the executions of its program. A task that its execution says all
// about has no row of its own.

import type { Status } from "runstate";

import type { Row, TreeNode } from "../editor.ts";
import { formatCoarseAge, oneLine } from "../format.ts";
import type { SessionRow, SessionTask } from "../sessions/session-reader.ts";
import type { Snapshot } from "../store.ts";
import { ExecutionNode, type ExecutionsLevel } from "./executions.ts";
import type { Level } from "./level.ts";

const STATUSES: { readonly [status in SessionTask["status"]]: { icon: string; color?: string; text: string } } = {
  pending: { icon: "circle-large-outline", text: "pending" },
  in_progress: { icon: "play-circle", color: "charts.blue", text: "in progress" },
  blocked: { icon: "circle-slash", color: "charts.orange", text: "blocked" },
  completed: { icon: "pass", color: "charts.green", text: "completed" },
  failed: { icon: "error", color: "charts.red", text: "failed" },
};

/** The statuses of the execution of a task with this status. */
const EXECUTION_STATUSES: { readonly [status in SessionTask["status"]]?: readonly Status[] } = {
  in_progress: ["running", "waiting_cc", "paused"],
  completed: ["complete"],
  failed: ["error", "cancelled"],
};

export class TaskNode implements TreeNode {
  constructor(
    readonly task: SessionTask,
    readonly children: TreeNode[],
    private readonly now: number,
  ) {}

  get row(): Row {
    const { id, taskName, status, createdAt, retryCount, dependsOn } = this.task;
    const { icon, color, text } = STATUSES[status];
    const error = this.task.status === "failed" ? this.task.errorMessage : null;
    const lines = [
      `${oneLine(taskName)} — ${text}${error === null ? "" : `: ${oneLine(error)}`}`,
      dependsOn.length > 0 && `after ${dependsOn.join(", ")}`,
      retryCount > 0 && `retried ${retryCount} times`,
      id,
    ];
    return {
      id: `task ${id}`,
      label: oneLine(taskName),
      description: `${text} · ${formatCoarseAge(this.now - createdAt)}`,
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
    return tasks.map((task) => {
      const executions = this.executions.nodes(snapshot, task.id);
      const [only] = executions;
      return executions.length === 1 && only instanceof ExecutionNode && saysAll(only, task) ? only : new TaskNode(task, executions, this.now());
    });
  }
}

/** Whether the row of a task would only repeat that of its execution, as for a program that was run by hand. */
function saysAll({ execution: { programName, status } }: ExecutionNode, task: SessionTask): boolean {
  return programName === task.taskName && (EXECUTION_STATUSES[task.status]?.includes(status) ?? false);
}
