// The level of the calls that wait for the person, below their execution.

import type { CallView } from "runstate";

import { toolOf, waitsForConsent } from "../agent/tool-kind.ts";
import type { Row, TreeNode } from "../editor.ts";
import { callText, formatAge, oneLine } from "../format.ts";
import type { Snapshot } from "../store.ts";
import type { Level } from "./level.ts";

/** The menu, the command and the icon of a call. */
const ANSWER = { context: "call answerable", command: "runstate.answer", icon: "question" };
const APPROVE = { context: "call approval", command: "runstate.answer", icon: "shield", waits: "waits for your approval" };
const REVIEW = { context: "call edit", command: "runstate.reviewEdit", icon: "tools", waits: "waits for your consent" };

type Shown = Pick<Row, "context" | "command" | "icon"> & { waits?: string };

export class CallNode implements TreeNode {
  readonly children: TreeNode[] = [];

  constructor(
    readonly call: CallView,
    private readonly now: number,
  ) {}

  get row(): Row {
    const { id, kind, prompt, args, deadline, claim, line, error, waitsFor } = this.call;
    const tool = toolOf(kind);
    const path = tool && (args as { path?: string } | undefined)?.path;
    const passed = waitsFor === "approval" && args !== null && oneLine(JSON.stringify(args));
    const { waits, ...shown }: Shown = waitsForConsent(kind) ? REVIEW : waitsFor === "approval" ? APPROVE : ANSWER;
    const owner = (claim?.until ?? 0) > this.now ? claim?.owner : undefined;
    const left = deadline === null ? undefined : `${formatAge(deadline - this.now)} left`;
    const failure = error && `${error.by ?? "a worker"} failed: ${oneLine(error.message ?? "")}`;
    return {
      id: `call ${id}`,
      label: oneLine(prompt) || (tool ?? kind),
      description: [path, passed, waits, owner && tool === undefined && `answered by ${owner}…`, failure, left].filter(Boolean).join(" · "),
      tooltip: `${callText(this.call)}\n\n${waits ?? "question"}, line ${line ?? "?"}`,
      ...shown,
    };
  }
}

export class CallsLevel implements Level<string> {
  /** `edits` are calls of tools that this window asks about. */
  constructor(
    private readonly now: () => number,
    private readonly edits: () => CallView[] = () => [],
  ) {}

  nodes({ waiting }: Snapshot, execution: string): TreeNode[] {
    const calls = [...waiting, ...this.edits()].filter(({ executionId }) => executionId === execution);
    return calls.map((call) => new CallNode(call, this.now()));
  }
}
