// A burst of answers in a worker, whose engine is killed in the middle: the store is not closed, and no commit is awaited.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate } from "runstate/slim";

import { randomWord, tabName } from "../engine/session";
import { engineModule } from "../engine/wasm";
import { beginLedger, clearLedger, LOCK, record, recordKill, verifyLastBurst } from "./ledger";
import type { Attempt } from "./proof";
import type { BurstEvent, BurstOrder } from "./worker";

/** The parameters of a burst. */
export interface BurstPlan {
  questions: number;
  /** The pause after each answer, in milliseconds. */
  pauseMs: number;
  /** The number of acknowledged answers after which the engine is killed; null if the visitor kills the tab. */
  killAfter: number | null;
}

/** The progress of a burst, with the number of saved answers. */
export type Burst =
  | { at: "none" | "starting"; saved: 0 }
  | { at: "answering"; saved: number; plan: BurstPlan }
  | { at: "killed"; saved: number }
  | { at: "proved"; saved: number; execution: string };

export const burst = signal<Burst>({ at: "none", saved: 0 });

/** Kills the engine of the current burst; null if there is none. */
export const killNow = signal<(() => void) | null>(null);

/** How long each step of the story is shown, in milliseconds. */
const STEP_MS = 900;

/** The longest random delay between an answer and the kill, in milliseconds, so that the kill hits any point of the next answer. */
const KILL_JITTER_MS = 4;

const PROGRAM_NAME = "kill-test";

/** A burst that is killed after a random number of answers. */
export function randomPlan(): BurstPlan {
  return { questions: 200, pauseMs: 0, killAfter: 40 + Math.floor(Math.random() * 80) };
}

/** A burst that is long enough for a visitor to kill the tab. */
export const LONG_PLAN: BurstPlan = { questions: 1_000, pauseMs: 60, killAfter: null };

/** Whether a burst is in progress. */
export function isRunning({ at }: Burst): boolean {
  return at !== "none" && at !== "proved";
}

/** Runs a burst from its start to the proof. `watched` is the shown execution, which must not change. */
export async function runBurst(rs: Runstate, plan: BurstPlan, watched: Attempt["watched"]): Promise<void> {
  burst.value = { at: "starting", saved: 0 };
  try {
    await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) throw new Error("the test cannot start: another tab of this page is running it. Wait until it is done");
      const execution = `${PROGRAM_NAME}-${randomWord(5)}`;
      await rs.cvm.load({ name: PROGRAM_NAME, source: sourceOf(plan) });
      await rs.cvm.start(PROGRAM_NAME, { id: execution });
      await pauseForStep();
      const attempt = { store: rs.url, execution, begun: Date.now(), killed: null, watched };
      if (!(await answerAndKill(attempt, plan))) return;
      const { saved } = burst.peek();
      burst.value = { at: "killed", saved };
      await pauseForStep();
      await verifyLastBurst(rs);
      burst.value = { at: "proved", saved, execution };
    });
  } finally {
    if (burst.peek().at !== "proved") burst.value = { at: "none", saved: 0 };
  }
}

/** Answers the open questions of a burst, so that its execution completes. */
export async function answerRemaining(rs: Runstate, execution: string): Promise<void> {
  const run = await rs.cvm.run(execution);
  for await (const question of run.questions()) await question.answer(makeAnswer(question.key ?? ""), { by: tabName });
}

/** Answers questions until the engine is killed or all questions are answered. Resolves to whether it was killed. */
async function answerAndKill(attempt: Attempt, plan: BurstPlan): Promise<boolean> {
  const { store, execution } = attempt;
  const keys = Array.from({ length: plan.questions }, (_, index) => `q-${index + 1}`);
  const answers = keys.map((key) => ({ key, answer: makeAnswer(key) }));
  const order: BurstOrder = { module: await engineModule(), store, execution, by: tabName, answers, pauseMs: plan.pauseMs };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" });
  beginLedger(attempt);
  let saved = 0;
  burst.value = { at: "answering", saved, plan };
  try {
    const isKilled = await new Promise<boolean>((resolve, reject) => {
      killNow.value = () => {
        worker.terminate();
        // Later events were sent before the kill, but the page had not received them.
        worker.onmessage = null;
        recordKill(attempt);
        resolve(true);
      };
      worker.onerror = ({ message }) => reject(new RunstateError({ code: "internal", message: `the worker failed: ${message}` }));
      worker.onmessage = ({ data }: MessageEvent<BurstEvent>) => {
        if (data.event === "done") return resolve(false);
        if (data.event === "failed") return reject(new RunstateError(data.error));
        record(data.event, data.line);
        if (data.event === "sent") return;
        saved += 1;
        burst.value = { at: "answering", saved, plan };
        if (saved === plan.killAfter) setTimeout(() => killNow.peek()?.(), Math.random() * KILL_JITTER_MS);
      };
      worker.postMessage(order);
    });
    if (!isKilled) clearLedger();
    return isKilled;
  } catch (error) {
    clearLedger();
    throw error;
  } finally {
    killNow.value = null;
    worker.terminate();
  }
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
