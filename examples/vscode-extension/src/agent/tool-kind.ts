// The kinds of the calls of an agent's tools: `readFile@WORKSPACE`. The workspace is part of the kind because a worker
// claims calls by their kind, and only windows of that workspace may claim them.

/** The tool whose calls wait for the person. */
export const EDIT_TOOL = "applyEdit";

/** Whether an open call of this kind waits for the person's consent. */
export function waitsForConsent(kind: string): boolean {
  return toolOf(kind) === EDIT_TOOL;
}

export function kindOf(tool: string, workspace: string): string {
  return `${tool}@${workspace}`;
}

/** The tool of such a kind; undefined for any other kind. */
export function toolOf(kind: string): string | undefined {
  const end = kind.indexOf("@");
  return end === -1 ? undefined : kind.slice(0, end);
}
