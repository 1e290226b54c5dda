// The level of executions, each above its open calls.

import type { ExecutionSummary, Status } from "runstate";

import { formatCoarseAge } from "../format.ts";
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
  ) {}

  get id(): string {
    return this.execution.id;
  }

  get row(): Row {
    const { id, programName, status, started, programVersion, lastModified } = this.execution;
    const { icon, color, text } = STATUSES[status as Status] ?? { icon: "question", text: status };
    return {
      id: `execution ${id}`,
      label: programName,
      description: `${text} · ${formatCoarseAge(this.now - started)}`,
      tooltip: `**${programName}** version ${programVersion} — ${text}\n\nstarted ${time(started)}, changed ${time(lastModified)}\n\n\`${id}\``,
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

export class ExecutionsLevel implements Level {
  constructor(
    private readonly calls: CallsLevel,
    private readonly now: () => number,
  ) {}

  nodes(snapshot: Snapshot): TreeNode[] {
    return snapshot.executions.map((execution) => new ExecutionNode(execution, this.calls.nodes(snapshot, execution.id), this.now()));
  }
}
