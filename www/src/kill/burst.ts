// A burst of answers in a worker, and the death of its engine in the middle: no store is closed, no commit is waited for.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { engineModule } from "../engine/wasm";
import { randomWord, tabName } from "../engine/session";
import { examine } from "./afterlife";
import { WorkerEngine } from "./engine";
import { acknowledged, begin, clear, killed, LOCK, sent, type Attempt, type Line } from "./ledger";

/** How a burst goes. */
export interface Plan {
  questions: number;
  /** The pause after each answer, in milliseconds. */
  pauseMs: number;
  /** After how many acknowledged answers the engine is killed; null: the visitor kills the tab. */
  killAfter: number | null;
}

/** How far a burst is. */
export type Burst =
  | { at: "none" }
  | { at: "starting" }
  | { at: "answering"; saved: number; plan: Plan }
  | { at: "killed"; saved: number }
  | { at: "proved"; saved: number; execution: string };

export const burst = signal<Burst>({ at: "none" });

/** Answers that are under way at once: the program asks one at a time, the others come before they are asked. */
const AT_ONCE = 3;

/** How long a step is shown before the next, in milliseconds. */
const STEP_MS = 900;

/** The kill comes within so many milliseconds after an answer, wherever the next one is then. */
const SPREAD_MS = 4;

const NAME = "kill-test";

/** A burst that is killed at a random place. */
export function randomPlan(): Plan {
  return { questions: 200, pauseMs: 0, killAfter: 40 + randomBelow(80) };
}

/** A burst that is long enough for a visitor to kill the tab. */
export const LONG_PLAN: Plan = { questions: 1_000, pauseMs: 60, killAfter: null };

/** Whether a burst is under way. */
export function isRunning({ at }: Burst): boolean {
  return at !== "none" && at !== "proved";
}

/** Plays a burst from its start to the proof. `watched`: the shown execution, which must not change. */
export async function play(rs: Runstate, plan: Plan, watched: Attempt["watched"]): Promise<void> {
  burst.value = { at: "starting" };
  try {
    await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) throw new Error("another tab of this page is in the middle of it");
      const execution = await start(rs, plan);
      await step();
      const attempt = { store: rs.url, execution, begun: Date.now(), killed: null, watched };
      const { saved, isKilled } = await answerAndKill(attempt, plan);
      burst.value = isKilled ? { at: "killed", saved } : { at: "none" };
      if (!isKilled) return clear();
      await step();
      await examine(rs);
      burst.value = { at: "proved", saved, execution };
    });
  } catch (error) {
    burst.value = { at: "none" };
    throw error;
  }
}

/** Ends a burst that waits for its visitor, as the visitor would. */
export const killNow = signal<(() => void) | null>(null);

/** Answers what a burst left open, so that it comes to its end. */
export async function finish(rs: Runstate, execution: string): Promise<void> {
  const run = await rs.cvm.run(execution);
  for await (const question of run.questions()) await question.answer(answerTo(question.key ?? ""), { by: tabName });
}

async function start(rs: Runstate, plan: Plan): Promise<string> {
  await rs.cvm.load({ name: NAME, source: sourceOf(plan) });
  const id = `${NAME}-${randomWord(5)}`;
  await rs.cvm.start(NAME, { id });
  return id;
}

/** Answers, and kills the engine meanwhile; or all questions are answered before. */
async function answerAndKill(attempt: Attempt, plan: Plan): Promise<{ saved: number; isKilled: boolean }> {
  const { store, execution } = attempt;
  const engine = await WorkerEngine.open({ module: await engineModule(), store, execution, by: tabName });
  let isKilled = false;
  const kill = () => {
    isKilled = true;
    engine.kill();
    killed(attempt, Date.now());
  };
  begin(attempt);
  killNow.value = kill;
  let saved = 0;
  const onSaved = () => {
    saved += 1;
    burst.value = { at: "answering", saved, plan };
    if (saved === plan.killAfter) setTimeout(kill, Math.random() * SPREAD_MS);
  };
  try {
    burst.value = { at: "answering", saved, plan };
    await answerAll(engine, plan, onSaved);
  } catch (error) {
    clear();
    throw error;
  } finally {
    killNow.value = null;
    engine.kill();
  }
  return { saved, isKilled };
}

/** Answers until there are no more questions, or the engine is killed. */
async function answerAll(engine: WorkerEngine, { questions, pauseMs }: Plan, onSaved: () => void): Promise<void> {
  let next = 1;
  async function lane(): Promise<void> {
    while (next <= questions) {
      const line: Line = { key: `q-${next}`, answer: answerTo(`q-${next}`) };
      next += 1;
      sent(line);
      if (!(await engine.answer(line))) return;
      acknowledged(line);
      onSaved();
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** Every answer is another text, so that one that is there twice is seen. */
function answerTo(key: string): string {
  return `answer to ${key} (${randomWord(6)})`;
}

function sourceOf({ questions }: Plan): string {
  return `// Asks ${questions} questions. Its engine is killed while the answers are saved; the output must show each answer once.

function main() {
  let answers = 0;
  for (let i = 1; i <= ${questions}; i++) {
    console.log(CC(\`Question \${i} of ${questions}\`, { key: \`q-\${i}\` }));
    answers += 1;
  }
  return { answers };
}
`;
}

function step(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, STEP_MS));
}

function randomBelow(limit: number): number {
  return (crypto.getRandomValues(new Uint16Array(1))[0] ?? 0) % limit;
}
