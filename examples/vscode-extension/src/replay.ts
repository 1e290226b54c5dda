// Replays an execution in memory, with its recorded answers at their recorded times. The store keeps the state of an
// execution as it is now; its program is deterministic, so a replay gives every earlier state. Each step is compared
// with the record, and the replay ends at a difference.

import type { CallView, Execution, ExecutionProgress, FrameView, Json, Run, Runstate } from "runstate";
import type { ProgramVersion } from "runstate/types";

/** A store in memory with a clock of its own. */
export interface Scratch {
  rs: Runstate;
  /** Sets the clock and does the work that becomes due. Without effect where the clock cannot be set. */
  advanceTo(time: number): Promise<void>;
}

/** The moment at which a call was made, by the number of the call; or the end of the execution. */
export type Moment = number | "end";

/** All that a replay needs. */
export interface Recording {
  execution: Execution;
  version: ProgramVersion;
  /** By their numbers. */
  calls: Map<number, CallView>;
}

/** The state at a moment: how many lines are printed, and the variables. */
export interface ReplayedState {
  lines: number;
  frames: FrameView[];
  /** The variables as the call records them; missing at the end. */
  recorded?: Json;
}

/** The command that starts an execution. The seed of `Math.random` derives from its id, so a replay starts under the
 * same one. */
export function startCommandOf(execution: string): string {
  return `start-${execution}`;
}

/** The reason why a replay cannot continue. */
export class ReplayDifference extends Error {}

/** Replays an execution to the last of these moments. @throws ReplayDifference */
export async function replay({ rs, advanceTo }: Scratch, recording: Recording, moments: Moment[]): Promise<Map<Moment, ReplayedState>> {
  const { execution, version } = recording;
  const { id, input, programName: name } = execution;
  const { source, entry, files, bytecode, metadata } = version;
  await rs.load({ name, source, entry: entry ?? undefined, files, bytecode, compiler: metadata.compiler });
  const run = await rs.start(name, { id, input, commandId: startCommandOf(id), logLevel: "off" });
  const states = new Map<Moment, ReplayedState>();
  const output = new OutputReader(run, execution.output);
  for (;;) {
    const progress = await output.read();
    if (progress.status === "running") {
      await run.next();
      continue;
    }
    if (progress.status !== "waiting_cc") {
      if (progress.status !== execution.status) throw new ReplayDifference("the end differs in a replay");
      return states.set("end", { lines: output.lines, frames: await run.variables({ full: true }) });
    }
    const pairs = progress.calls.map((call) => ({ call, recorded: checkCall(call, recording.calls.get(call.step ?? 0)) }));
    for (const { step, variables } of progress.calls) {
      if (step === null || !moments.includes(step)) continue;
      states.set(step, { lines: output.lines, frames: await run.variables({ full: true }), recorded: variables });
    }
    if (moments.every((moment) => states.has(moment))) return states;
    for (const { call, recorded } of pairs.sort((a, b) => closedAt(a.recorded) - closedAt(b.recorded))) {
      await advanceTo(closedAt(recorded));
      await close(rs, run, call, recorded);
    }
  }
}

/** Reads what a replay prints, and compares it with the recorded output. */
class OutputReader {
  lines = 0;
  #from = 0;

  constructor(
    private readonly run: Run,
    private readonly recorded: string[],
  ) {}

  async read(): Promise<ExecutionProgress> {
    for (;;) {
      const progress = await this.run.progress(this.#from);
      for (const line of progress.lines) {
        if (line !== this.recorded[this.lines]) throw new ReplayDifference(`line ${this.lines + 1} of the output differs in a replay`);
        this.lines++;
      }
      this.#from = progress.next;
      if (!progress.more) return progress;
    }
  }
}

/** Returns the record of a call that the replay makes. */
function checkCall({ kind, prompt, args, line, step }: CallView, recorded: CallView | undefined): CallView {
  const isRecorded = recorded?.kind === kind && recorded.prompt === prompt && recorded.line === line && isSame(recorded.args, args);
  if (!isRecorded) throw new ReplayDifference(`call ${step} differs in a replay`);
  return recorded;
}

/** Whether two values are the same JSON. Both come from the same encoder, so the order of members is part of it. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function closedAt({ response, requestedAt }: CallView): number {
  return response?.timestamp ?? requestedAt ?? 0;
}

/** Closes a call as it was closed. The clock closes timers, and calls whose deadline passes. */
async function close(rs: Runstate, run: Run, { id: call, step }: CallView, { outcome, response, error }: CallView): Promise<void> {
  if (outcome === "answered") {
    await run.answer(response?.result ?? null, { call });
  } else if (outcome === "failed") {
    const work = await rs.runs.claim({ call, owner: error?.by ?? "replay" });
    if (work !== null) await rs.runs.fail(work, error?.message ?? "", { name: error?.name ?? undefined, code: error?.code ?? undefined });
  }
  const { outcome: closed } = await rs.runs.call(call);
  if (closed !== outcome) throw new ReplayDifference(`call ${step} cannot be closed in a replay as it was`);
}
