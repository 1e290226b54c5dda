// The level of executions, each above its open calls: those of a task, or those that belong to no task that is shown.

import type { ExecutionSummary, Status } from "runstate";

import { formatCoarseAge, programText } from "../format.ts";
import type { Row, TreeNode } from "../editor.ts";
import type { Snapshot } from "../store.ts";
import { CallsLevel } from "./calls.ts";
import type { Level } from "./level.ts";

/** How a status is shown. */
export const STATUSES: { readonly [status in Status]: { icon: string; color?: string; text: string } } = {
  running: { icon: "sync~spin", color: "charts.blue", text: "running" },
  waiting_cc: { icon: "comment-unresolved", color: "charts.yellow", text: "waiting" },
  paused: { icon: "debug-pause", color: "charts.blue", text: "paused" },
  complete: { icon: "pass", color: "charts.green", text: "complete" },
  error: { icon: "error", color: "charts.red", text: "failed" },
  cancelled: { icon: "circle-slash", color: "disabledForeground", text: "cancelled" },
};

export class ExecutionNode implements TreeNode {
  constructor(
    readonly execution: ExecutionSummary,
    readonly children: TreeNode[],
    private readonly now: number,
    private readonly note?: string,
  ) {}

  get id(): string {
    return this.execution.id;
  }

  get row(): Row {
    const { id, programName, status, started, programVersion, lastModified } = this.execution;
    const { icon, color, text } = STATUSES[status as Status] ?? { icon: "question", text: status };
    return {
      id: `execution ${id}`,
      label: programText(programName),
      description: [text, formatCoarseAge(this.now - started), this.note].filter(Boolean).join(" · "),
      tooltip: `${programName} version ${programVersion} — ${text}\n\nstarted ${time(started)}, changed ${time(lastModified)}\n\n${id}`,
      icon,
      color,
      context: `execution ${status}`,
      command: "runstate.show",
      expanded: true,
    };
  }
}

function time(timestamp: number): string {
  return new Date(timestamp).toLocaleString();
}

/** The task that has started an execution, by its id `task:ID:RETRIES`. */
function taskOf(execution: string): string | undefined {
  return /^task:(.*):\d+$/.exec(execution)?.[1];
}

export class ExecutionsLevel implements Level<string | void> {
  constructor(
    private readonly calls: CallsLevel,
    private readonly now: () => number,
    private readonly noteOf: (execution: string) => string | undefined = () => undefined,
  ) {}

  nodes(snapshot: Snapshot, task: string | void): TreeNode[] {
    const shown = new Set(snapshot.sessions.flatMap(({ tasks }) => tasks.map(({ id }) => id)));
    const fits = (owner: string | undefined) => (task === undefined ? owner === undefined || !shown.has(owner) : owner === task);
    const executions = snapshot.executions.filter(({ id }) => fits(taskOf(id)));
    return executions.map(
      (execution) => new ExecutionNode(execution, this.calls.nodes(snapshot, execution.id), this.now(), this.noteOf(execution.id)),
    );
  }
}
