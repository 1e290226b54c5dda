// A level of the tree: the nodes below a parent.

import type { TreeNode } from "../editor.ts";
import type { Snapshot } from "../store.ts";

/** Makes the nodes of one kind that belong to a parent; `P` is what it needs to know of the parent. */
export interface Level<P = void> {
  nodes(snapshot: Snapshot, parent: P): TreeNode[];
}
