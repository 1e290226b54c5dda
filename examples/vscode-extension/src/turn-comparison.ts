// Compares an execution at two moments: the lines printed between them, and the variables at each.

import type { CallView, FrameView, Json, Runstate } from "runstate";
import type { VariableView } from "runstate/types";

import { messageOf } from "./errors.ts";
import { type Moment, type Recording, type ReplayedState, type Scratch, ReplayDifference, isSame, replay } from "./replay.ts";

/** The longest text of a value that the page shows. */
const VALUE_LENGTH = 2000;

/** The difference between two moments; `media/compare.js` reads it. */
export interface Comparison {
  from: Moment;
  to: Moment;
  /** The lines printed between; null if they are not known. */
  output: string[] | null;
  /** The innermost function first. */
  functions: ComparedFunction[];
  /** Why the comparison has less than a replay gives. */
  note: string | null;
}

/** A function with its variables. A missing line or text: the function is not active, or has no such variable. */
export interface ComparedFunction {
  name: string;
  lines: [number?, number?];
  variables: { name: string; before?: string; after?: string; changed: boolean }[];
}

/** Compares two moments of an execution, of which `from` is the earlier one. */
export async function compareTurns(rs: Runstate, scratch: (now: number) => Promise<Scratch>, id: string, from: Moment, to: Moment): Promise<Comparison> {
  const run = await rs.run(id);
  const [execution, version, rows] = await Promise.all([run.show({ hash: false }), run.program(), readCalls(rs, id)]);
  const calls = new Map(rows.flatMap((call) => (call.step == null ? [] : [[call.step, call]])));
  const recorded = await Promise.all([from, to].map((moment) => readRecorded(rs, moment, calls)));
  try {
    const states = await replayed(scratch, { execution, version, calls }, [from, to]);
    const [before, after] = [from, to].map((moment, index) => checkState(moment, states.get(moment), recorded[index])) as [ReplayedState, ReplayedState];
    const output = execution.output.slice(before.lines, after.lines);
    return { from, to, output, functions: compareFrames(before.frames, after.frames), note: null };
  } catch (error) {
    const reason = error instanceof ReplayDifference ? error.message : messageOf(error);
    const functions = recorded.includes(undefined) ? [] : [compareRecorded(recorded as Json[])];
    return { from, to, output: null, functions, note: `Only recorded values are compared: ${reason}.` };
  }
}

/** Reads all calls of an execution, in the order of their numbers. */
export async function readCalls(rs: Runstate, execution: string): Promise<CallView[]> {
  const calls: CallView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await rs.runs.calls({ execution, limit: 1000, cursor });
    calls.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) return calls;
  }
}

async function replayed(scratch: (now: number) => Promise<Scratch>, recording: Recording, moments: Moment[]): Promise<Map<Moment, ReplayedState>> {
  const store = await scratch(recording.execution.started);
  try {
    return await replay(store, recording, moments);
  } finally {
    await store.rs.close();
  }
}

/** The variables that a call recorded when it was made: at most a few kilobytes, and without what JSON lacks. */
async function readRecorded(rs: Runstate, moment: Moment, calls: Recording["calls"]): Promise<Json | undefined> {
  const id = moment === "end" ? undefined : calls.get(moment)?.id;
  return id === undefined ? undefined : (await rs.runs.call(id)).variables;
}

function checkState(moment: Moment, state: ReplayedState | undefined, recorded: Json | undefined): ReplayedState {
  if (state === undefined) throw new ReplayDifference("a replay ends earlier");
  if (!isSame(state.recorded, recorded)) throw new ReplayDifference(`the variables at call ${moment} differ in a replay`);
  return state;
}

/** Compares frames from the outermost one inwards. Where the functions differ, each is listed by itself. */
function compareFrames(before: FrameView[], after: FrameView[]): ComparedFunction[] {
  const [earlier, later] = [before.toReversed(), after.toReversed()];
  let shared = earlier.findIndex((frame, index) => frame.function !== later[index]?.function);
  if (shared === -1) shared = earlier.length;
  const pairs: [FrameView?, FrameView?][] = earlier.slice(0, shared).map((frame, index) => [frame, later[index]]);
  pairs.push(...earlier.slice(shared).map((frame): [FrameView] => [frame]), ...later.slice(shared).map((frame): [undefined, FrameView] => [undefined, frame]));
  return pairs.reverse().map(([one, other]) => compareFunction(one, other)).filter(({ variables }) => variables.length > 0);
}

function compareFunction(before?: FrameView, after?: FrameView): ComparedFunction {
  const [earlier, later] = [before, after].map((frame) => new Map(frame?.variables.map((variable) => [variable.name, variable]))) as [Variables, Variables];
  const variables = [...new Set([...earlier.keys(), ...later.keys()])].map((name) => {
    const [one, other] = [earlier.get(name), later.get(name)];
    const changed = before !== undefined && after !== undefined && !isSame(one?.value, other?.value);
    return { name, before: shorten(one?.text), after: shorten(other?.text), changed };
  });
  return { name: (before ?? after)?.function ?? "", lines: [before?.line, after?.line], variables };
}

type Variables = Map<string, VariableView>;

function compareRecorded([before, after]: Json[]): ComparedFunction {
  const [earlier, later] = [before, after].map((recorded) => new Map(Object.entries(recorded as object))) as [Map<string, Json>, Map<string, Json>];
  const variables = [...new Set([...earlier.keys(), ...later.keys()])].map((name) => {
    const [one, other] = [earlier, later].map((values) => (values.has(name) ? JSON.stringify(values.get(name)) : undefined));
    return { name, before: shorten(one), after: shorten(other), changed: one !== other };
  });
  return { name: "recorded", lines: [], variables };
}

function shorten(text: string | undefined): string | undefined {
  return text !== undefined && text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text;
}
