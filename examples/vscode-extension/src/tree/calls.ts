// The level of open calls below their execution.

import type { CallView } from "runstate";

import { toolOf, waitsForConsent } from "../agent/tool-kind.ts";
import { isAnswerable } from "../answer-form.ts";
import type { Row, TreeNode } from "../editor.ts";
import { formatAge, oneLine } from "../format.ts";
import type { Snapshot } from "../store.ts";
import type { Level } from "./level.ts";

/** The menu and the command of a call that waits for the person. */
const ANSWER = { context: "call answerable", command: "runstate.answer" };
const REVIEW = { context: "call edit", command: "runstate.reviewEdit" };

export class CallNode implements TreeNode {
  readonly children: TreeNode[] = [];

  constructor(
    readonly call: CallView,
    private readonly now: number,
  ) {}

  get row(): Row {
    const { id, kind, prompt, args, deadline, claim, line, error } = this.call;
    const tool = toolOf(kind);
    const path = tool && (args as { path?: string } | undefined)?.path;
    const owner = (claim?.until ?? 0) > this.now ? claim?.owner : undefined;
    const left = deadline === null ? undefined : `${formatAge(deadline - this.now)} left`;
    const failure = error && `${error.by ?? "a worker"} failed: ${oneLine(error.message ?? "")}`;
    const consent = waitsForConsent(kind);
    const action = consent ? REVIEW : isAnswerable(this.call) ? ANSWER : undefined;
    return {
      id: `call ${id}`,
      label: oneLine(prompt) || (tool ?? kind),
      description: [path, consent && "waits for your consent", owner && tool === undefined && `answered by ${owner}…`, failure, left].filter(Boolean).join(" · "),
      tooltip: `${prompt ?? tool ?? kind}\n\n${kind === "cc" ? "question" : (tool ?? kind)}, line ${line ?? "?"}`,
      icon: kind === "cc" ? "question" : kind === "timer" ? "watch" : "tools",
      context: "call",
      ...action,
    };
  }
}

export class CallsLevel implements Level<string> {
  constructor(private readonly now: () => number) {}

  nodes({ calls }: Snapshot, execution: string): TreeNode[] {
    return calls.filter(({ executionId }) => executionId === execution).map((call) => new CallNode(call, this.now()));
  }
}
