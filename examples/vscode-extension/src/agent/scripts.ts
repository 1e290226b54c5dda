// "Run as Code": the text of a file as a script of `rs.code`, with the tools of the workspace that only read. All
// processes with a tool serve the scripts of all others, so the stored names of the tools have the workspace.

import type { Json, Runstate, Task } from "runstate";

import type { Problem } from "../editor.ts";
import { problemsOf } from "../programs.ts";
import { ToolRefusal } from "./confined-files.ts";
import { type ReadingTools, type ToolArguments, toArguments } from "./tools.ts";

/** The tools that scripts may call, by the stored name of the workspace. */
export function scriptTools(reading: ReadingTools, workspace: string) {
  return {
    [storedName(workspace)]: {
      listFiles: forScripts((args, { signal }) => reading.listFiles(args, signal)),
      readFile: forScripts((args) => reading.readFile(args)),
      search: forScripts((args, { signal }) => reading.search(args, signal)),
    },
  };
}

/** A tool that only scripts may call. What it refuses is an error of the script. */
function forScripts(tool: (args: ToolArguments, task: Task) => Promise<Json>) {
  return async (args: Json, task: Task): Promise<Json> => {
    if (!task.program.startsWith("script-")) throw new ToolRefusal("only a script may use these tools");
    return tool(toArguments(args), task);
  };
}

export type Started = { run: string } | { problems: Problem[] };

/** Starts a script, which calls `workspace.readFile({ path })`. Returns its run, or why it does not compile. Without a
 * workspace it has no tools. */
export async function runScript(rs: Runstate, reading: ReadingTools, workspace: string | undefined, source: string): Promise<Started> {
  // On the first line of the file, so that lines keep their numbers.
  const prefix = workspace === undefined ? "" : `const { ${storedName(workspace)}: workspace } = tools; `;
  const code = rs.code({ tools: workspace === undefined ? {} : scriptTools(reading, workspace), serve: false });
  const result = await code.run(prefix + source, { waitMs: 0 }).finally(() => code.close());
  const { run } = result;
  if (run !== null) return { run };
  const problems = problemsOf((result.status === "failed" && result.error.diagnostics) || []);
  return { problems: problems.map((problem) => (problem.line === 1 ? { ...problem, column: Math.max(1, problem.column - prefix.length) } : problem)) };
}

/** A name in JavaScript. */
function storedName(workspace: string): string {
  return `workspace_${workspace}`;
}
