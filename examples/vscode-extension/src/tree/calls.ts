// The level of open calls below their execution.

import type { CallRow } from "runstate";

import { isAnswerable } from "../answer-form.ts";
import type { Row, TreeNode } from "../editor.ts";
import { formatAge, oneLine } from "../format.ts";
import type { Snapshot } from "../store.ts";
import type { Level } from "./level.ts";

export class CallNode implements TreeNode {
  readonly children: TreeNode[] = [];

  constructor(
    readonly call: CallRow,
    private readonly now: number,
  ) {}

  get row(): Row {
    const { id, kind, prompt, deadline, claim, line } = this.call;
    const owner = (claim?.until ?? 0) > this.now ? claim?.owner : undefined;
    const left = deadline === undefined ? undefined : `${formatAge(deadline - this.now)} left`;
    const answerable = isAnswerable(this.call);
    return {
      id: `call ${id}`,
      label: oneLine(prompt) || kind,
      description: [owner && `answered by ${owner}…`, left].filter(Boolean).join(" · "),
      tooltip: `${prompt ?? kind}\n\n${kind === "cc" ? "question" : kind}, line ${line ?? "?"}`,
      icon: kind === "cc" ? "question" : kind === "timer" ? "watch" : "tools",
      context: answerable ? "call answerable" : "call",
      command: answerable ? "runstate.answer" : undefined,
    };
  }
}

export class CallsLevel implements Level<string> {
  constructor(private readonly now: () => number) {}

  nodes({ calls }: Snapshot, execution: string): TreeNode[] {
    return calls.filter(({ executionId }) => executionId === execution).map((call) => new CallNode(call, this.now()));
  }
}
