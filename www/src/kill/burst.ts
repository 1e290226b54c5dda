// A burst of answers in a worker, whose engine is killed in the middle: the store is not closed, and no commit is
// awaited. Afterwards the record of the acknowledged answers is compared with the store.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate/full";

import { listCalls } from "../current";
import { engineModule } from "../engine";
import { hasCode, notifyError } from "../notices";
import { randomWord, tabName, texts } from "../state";
import { prove, type Ledger, type Proof } from "./proof";
import type { BurstEvent, BurstOrder } from "./worker";

/** The victim: the engine in its worker, which the page kills, or the whole tab, which the visitor kills. */
export type Victim = "engine" | "tab";

export interface Burst {
  at: "none" | "starting" | "answering" | "killed" | "proved";
  saved: number;
  execution: string;
  victim: Victim;
}

const NO_BURST: Burst = { at: "none", saved: 0, execution: "", victim: "engine" };

export const burst = signal(NO_BURST);

/** The record of the last burst, with its proof. */
export interface KillReport {
  ledger: Ledger;
  proof: Proof;
}

/** The report on the last kill; null if there is none, or if it was dismissed. */
export const killReport = signal<KillReport | null>(null);

/** The Web Lock that allows one burst at a time in all tabs. The browser releases the lock of a dead tab. */
const LOCK = "runstate-www:burst";

/** How long each step of the story is shown, in milliseconds. */
const STEP_MS = 900;

/** The longest random delay between an answer and the kill, in milliseconds, so that the kill hits any point of the
 * next answer. */
const KILL_JITTER_MS = 4;

const PROGRAM_NAME = "kill-test";

/** The questions of a burst, and the pause after each answer. A tab needs a burst that is long enough for the visitor
 * to kill it. */
const PLANS = { engine: { questions: 200, pauseMs: 0 }, tab: { questions: 1_000, pauseMs: 60 } };

export function isRunning({ at }: Burst): boolean {
  return at !== "none" && at !== "proved";
}

/** Runs a burst from its start to the proof. */
export async function runBurst(rs: Runstate, victim: Victim): Promise<void> {
  const execution = `${PROGRAM_NAME}-${randomWord(5)}`;
  const show = (part: Partial<Burst>) => (burst.value = { ...burst.peek(), ...part });
  burst.value = { at: "starting", saved: 0, execution, victim };
  try {
    await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) throw new Error("the test cannot start: another tab of this page is running it. Wait until it is done");
      await rs.load({ name: PROGRAM_NAME, source: sourceOf(PLANS[victim].questions) });
      await rs.start(PROGRAM_NAME, { id: execution });
      await pauseForStep();
      if (!(await answerAndKill(rs.url, execution, victim, (saved) => show({ at: "answering", saved })))) return;
      show({ at: "killed" });
      await pauseForStep();
      await proveLastBurst(rs);
      show({ at: "proved" });
    });
  } finally {
    if (burst.peek().at !== "proved") burst.value = NO_BURST;
  }
}

/** Answers questions until the engine is killed or all questions are answered. Resolves to whether it was killed. */
async function answerAndKill(store: string, execution: string, victim: Victim, onSaved: (saved: number) => void): Promise<boolean> {
  const order: BurstOrder = { module: await engineModule(), store, execution, by: tabName, ...PLANS[victim] };
  const killAfter = victim === "engine" ? 40 + Math.floor(Math.random() * 80) : Infinity;
  const ledger: Ledger = { store, execution, sent: [], acknowledged: [] };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" });
  clearReport();
  let killed = false;
  onSaved(0);
  try {
    await new Promise<void>((resolve, reject) => {
      const kill = () => {
        worker.terminate();
        // Later events were sent before the kill, but the page had not received them.
        worker.onmessage = null;
        killed = true;
        resolve();
      };
      worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
      worker.onmessage = ({ data }: MessageEvent<BurstEvent>) => {
        if (data.event === "done") return resolve();
        if (data.event === "failed") return reject(new Error(data.message));
        ledger[data.event].push(data.question);
        // Written when the call returns, so a killed tab loses none.
        texts.write("kill", { ledger });
        if (data.event === "sent") return;
        onSaved(ledger.acknowledged.length);
        if (ledger.acknowledged.length === killAfter) setTimeout(kill, Math.random() * KILL_JITTER_MS);
      };
      worker.postMessage(order);
    });
    return killed;
  } finally {
    worker.terminate();
    if (!killed) clearReport();
  }
}

export function clearReport(): void {
  texts.write("kill", null);
  killReport.value = null;
}

/** Proves a burst whose tab was killed. If another tab is running a burst, that tab will prove it. */
export async function verifyInterruptedBurst(rs: Runstate): Promise<void> {
  try {
    await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => void (lock !== null && (await proveLastBurst(rs))));
  } catch (error) {
    // There is nothing to prove if another tab has deleted the execution.
    if (!hasCode(error, "not_found")) return notifyError(error);
    clearReport();
  }
}

/** Proves the last burst of any tab. The proof is made once and stored, because the execution may be continued or
 * deleted later. */
async function proveLastBurst(rs: Runstate): Promise<void> {
  const last = texts.read<{ ledger: Ledger; proof?: Proof }>("kill");
  if (last === null || last.ledger.store !== rs.url) return;
  const { ledger } = last;
  const proof = last.proof ?? (await proveInStore(rs, ledger));
  killReport.value = { ledger, proof };
  texts.write("kill", killReport.value);
}

async function proveInStore(rs: Runstate, ledger: Ledger): Promise<Proof> {
  const run = await rs.run(ledger.execution);
  return prove(ledger, { calls: await listCalls(rs, run.id), output: await run.output() });
}

function sourceOf(questions: number): string {
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
