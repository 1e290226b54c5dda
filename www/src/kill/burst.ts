// A burst of answers in a worker, whose engine is killed in the middle: the store is not closed, and no commit is awaited.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { engineModule } from "../engine/wasm";
import { randomWord, tabName } from "../engine/session";
import { verifyLastBurst } from "./report";
import { WorkerEngine } from "./engine";
import { recordAcknowledged, beginLedger, clearLedger, recordKill, LOCK, recordSent, type Attempt, type BurstAnswer } from "./ledger";

/** The parameters of a burst. */
export interface BurstPlan {
  questions: number;
  /** The pause after each answer, in milliseconds. */
  pauseMs: number;
  /** The number of acknowledged answers after which the engine is killed; null if the visitor kills the tab. */
  killAfter: number | null;
}

/** The progress of a burst. */
export type Burst =
  | { at: "none" }
  | { at: "starting" }
  | { at: "answering"; saved: number; plan: BurstPlan }
  | { at: "killed"; saved: number }
  | { at: "proved"; saved: number; execution: string };

export const burst = signal<Burst>({ at: "none" });

/** The number of concurrent answers. The program asks one question at a time, so the others are early answers. */
const CONCURRENCY = 3;

/** How long each step of the story is shown, in milliseconds. */
const STEP_MS = 900;

/** The longest random delay between an answer and the kill, in milliseconds, so that the kill hits any point of the next answer. */
const KILL_JITTER_MS = 4;

const PROGRAM_NAME = "kill-test";

/** A burst that is killed after a random number of answers. */
export function randomPlan(): BurstPlan {
  return { questions: 200, pauseMs: 0, killAfter: 40 + randomBelow(80) };
}

/** A burst that is long enough for a visitor to kill the tab. */
export const LONG_PLAN: BurstPlan = { questions: 1_000, pauseMs: 60, killAfter: null };

/** Whether a burst is in progress. */
export function isRunning({ at }: Burst): boolean {
  return at !== "none" && at !== "proved";
}

/** Runs a burst from its start to the proof. `watched` is the shown execution, which must not change. */
export async function runBurst(rs: Runstate, plan: BurstPlan, watched: Attempt["watched"]): Promise<void> {
  burst.value = { at: "starting" };
  try {
    await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) throw new Error("the test cannot start: another tab of this page is running it. Wait until it is done");
      const execution = await startProgram(rs, plan);
      await pauseForStep();
      const attempt = { store: rs.url, execution, begun: Date.now(), killed: null, watched };
      const { saved, isKilled } = await answerAndKill(attempt, plan);
      burst.value = isKilled ? { at: "killed", saved } : { at: "none" };
      if (!isKilled) return clearLedger();
      await pauseForStep();
      await verifyLastBurst(rs);
      burst.value = { at: "proved", saved, execution };
    });
  } catch (error) {
    burst.value = { at: "none" };
    throw error;
  }
}

/** Kills the engine of the current burst; null if there is none. */
export const killNow = signal<(() => void) | null>(null);

/** Answers the open questions of a burst, so that its execution completes. */
export async function answerRemaining(rs: Runstate, execution: string): Promise<void> {
  const run = await rs.cvm.run(execution);
  for await (const question of run.questions()) await question.answer(makeAnswer(question.key ?? ""), { by: tabName });
}

async function startProgram(rs: Runstate, plan: BurstPlan): Promise<string> {
  await rs.cvm.load({ name: PROGRAM_NAME, source: sourceOf(plan) });
  const id = `${PROGRAM_NAME}-${randomWord(5)}`;
  await rs.cvm.start(PROGRAM_NAME, { id });
  return id;
}

/** Answers questions until the engine is killed or all questions are answered. */
async function answerAndKill(attempt: Attempt, plan: BurstPlan): Promise<{ saved: number; isKilled: boolean }> {
  const { store, execution } = attempt;
  const engine = await WorkerEngine.open({ module: await engineModule(), store, execution, by: tabName });
  let isKilled = false;
  const kill = () => {
    isKilled = true;
    engine.kill();
    recordKill(attempt, Date.now());
  };
  beginLedger(attempt);
  killNow.value = kill;
  let saved = 0;
  const onSaved = () => {
    saved += 1;
    burst.value = { at: "answering", saved, plan };
    if (saved === plan.killAfter) setTimeout(kill, Math.random() * KILL_JITTER_MS);
  };
  try {
    burst.value = { at: "answering", saved, plan };
    await answerAll(engine, plan, onSaved);
  } catch (error) {
    clearLedger();
    throw error;
  } finally {
    killNow.value = null;
    engine.kill();
  }
  return { saved, isKilled };
}

/** Answers until there are no more questions, or the engine is killed. */
async function answerAll(engine: WorkerEngine, { questions, pauseMs }: BurstPlan, onSaved: () => void): Promise<void> {
  let next = 1;
  async function answerNext(): Promise<void> {
    while (next <= questions) {
      const line: BurstAnswer = { key: `q-${next}`, answer: makeAnswer(`q-${next}`) };
      next += 1;
      recordSent(line);
      if (!(await engine.answer(line))) return;
      recordAcknowledged(line);
      onSaved();
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, answerNext));
}

/** A unique answer text, so that a duplicate can be found. */
function makeAnswer(key: string): string {
  return `answer to ${key} (${randomWord(6)})`;
}

function sourceOf({ questions }: BurstPlan): string {
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

function pauseForStep(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, STEP_MS));
}

function randomBelow(limit: number): number {
  return (crypto.getRandomValues(new Uint16Array(1))[0] ?? 0) % limit;
}
