// A burst of two hundred answers, as fast as the store commits them, and the death of the document in its middle: no store is closed,
// no commit is waited for, nobody is told.

import type { Runstate } from "runstate";

import { randomWord, tabName } from "../engine/session";
import { acknowledged, begin, killed, sent, type Attempt } from "./ledger";

/** Questions that the program asks. */
export const QUESTIONS = 200;

/** Answers that are under way at once: the program asks one at a time, the others come before they are asked. */
const AT_ONCE = 3;

/** One burst at a time, in whichever tab; and a tab that is dead holds it no more. */
export const LOCK = "runstate-www:burst";

const NAME = "kill-this-tab";

const SOURCE = `// Asked ${QUESTIONS} times, while the tab that answers is killed. The lines below must show each answer once.

function main() {
  let answers = 0;
  for (let i = 1; i <= ${QUESTIONS}; i++) {
    console.log(CC(\`Question \${i} of ${QUESTIONS}\`, { key: \`q-\${i}\` }));
    answers += 1;
  }
  return { answers };
}
`;

/** The fewest and the most acknowledged answers before the death. */
const DEATH = { earliest: 40, latest: 120 };

export interface Progress {
  acknowledged: number;
  /** How many it will be when the tab dies. */
  of: number;
}

/** Starts the program and answers until the tab dies. Rejects where that fails; else it never comes back. */
export async function killThisTab(
  rs: Runstate,
  watched: Attempt["watched"],
  told: (progress: Progress) => void,
): Promise<never> {
  return navigator.locks.request(LOCK, async () => {
    await rs.cvm.load({ name: NAME, source: SOURCE });
    const execution = `${NAME}-${randomWord(5)}`;
    await rs.cvm.start(NAME, { id: execution });
    const attempt = { store: rs.url, execution, begun: Date.now(), killed: null, watched };
    begin(attempt);
    const deathAt =
      DEATH.earliest + ((crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) % (DEATH.latest - DEATH.earliest));
    let count = 0;
    await answers(rs, execution, 1, (line) => {
      acknowledged(line);
      count += 1;
      told({ acknowledged: count, of: deathAt });
      if (count === deathAt) die(attempt);
    });
    // All questions are answered and the browser has still not let go of the page.
    return new Promise<never>(() => undefined);
  });
}

/** Answers what a burst left open, so that it comes to its end. */
export async function finish(rs: Runstate, execution: string): Promise<void> {
  const { rows } = await rs.cvm.calls({ execution, limit: 1_000 });
  const answered = new Set(rows.filter(({ result }) => result !== undefined).map(({ key }) => key));
  for (let question = 1; question <= QUESTIONS; question += 1) {
    if (!answered.has(`q-${question}`)) await answerOne(rs, execution, question, () => undefined);
  }
}

async function answers(
  rs: Runstate,
  execution: string,
  from: number,
  told: (line: { key: string; answer: string }) => void,
): Promise<void> {
  let next = from;
  async function one(): Promise<void> {
    while (next <= QUESTIONS) {
      next += 1;
      await answerOne(rs, execution, next - 1, told);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function answerOne(
  rs: Runstate,
  execution: string,
  question: number,
  told: (line: { key: string; answer: string }) => void,
): Promise<void> {
  const line = { key: `q-${question}`, answer: `answer ${question} (${randomWord(6)})` };
  const run = await rs.cvm.run(execution);
  sent(line);
  await run.answer(line.answer, { key: line.key, by: tabName });
  told(line);
}

/** The document goes, with commits under way. It comes back at the same address: that is the new life. */
function die(attempt: Attempt): void {
  killed(attempt, Date.now());
  location.reload();
}
