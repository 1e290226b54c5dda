// Kills the browser with -9 several times during an execution with 200 questions, 130 in the short form, and restarts
// it on the same profile. Every acknowledged answer is stored, none is stored twice, and the execution completes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { kill, launch, newProfile } from "./support/chromium.js";
import { FULL } from "./support/full.js";
import { load, site } from "./support/site.js";

const QUESTIONS = FULL ? 200 : 130;

/** The number of acknowledged answers after which each browser is killed. The last browser is not killed. */
const KILLED_AFTER = [7, 41, 60];

const PROGRAM = `
function main() {
  const answers = [];
  for (let i = 0; i < ${QUESTIONS}; i++) answers.push(CC("question " + i));
  return answers;
}
`;

let server;
before(async () => void (server = await site()));
after(() => server?.stop());

test("a browser that is killed loses no answer and stores none twice", async () => {
  const profile = await newProfile();
  const acknowledged = [];
  try {
    for (const killAfter of [...KILLED_AFTER, Infinity]) await runBrowser(profile, acknowledged, killAfter);
  } finally {
    await profile.remove();
  }
});

/** Starts a browser, which checks the stored answers and answers further questions until it is killed after `killAfter` answers or the execution ends. */
async function runBrowser(profile, acknowledged, killAfter) {
  const browser = await launch(profile);
  try {
    await answerIn(browser, profile, acknowledged, killAfter);
  } finally {
    // Closed also after a failure, because a running browser would keep the test process alive.
    await browser.close().catch(() => {});
  }
}

async function answerIn(browser, profile, acknowledged, killAfter) {
  const page = await browser.newPage();
  let count = 0;
  const killed = new Promise((resolve) => {
    page.exposeFunction("acknowledge", async (answer) => {
      acknowledged.push(answer);
      count += 1;
      if (count !== killAfter) return;
      // The page is sending its next answer and then waits for this call, so the kill hits the middle of that answer.
      resolve(kill(profile));
      await new Promise(() => {});
    });
  });
  await load(page, server.url);
  const stored = await page.evaluate(loadAnswers, [PROGRAM]);
  // One more answer may be stored: it was committed, and the browser was killed before it acknowledged it.
  const expected = [...acknowledged];
  assert.deepEqual(stored.slice(0, expected.length), expected, "acknowledged answers are stored, in order");
  assert.ok(stored.length <= expected.length + 1, `${stored.length} answers are stored, ${expected.length} were acknowledged`);
  acknowledged.push(...stored.slice(expected.length));
  if (killAfter !== Infinity) {
    // The kill ends the page during this call.
    page.evaluate(answerAll).catch(() => {});
    await killed;
    return;
  }
  const result = await page.evaluate(answerAll);
  const all = Array.from({ length: QUESTIONS }, (_, i) => `answer ${i}`);
  assert.deepEqual(result, all);
  assert.deepEqual(acknowledged, all);
}

/** In the page: opens the store, loads and starts the program if that was not done, and returns all stored answers. */
async function loadAnswers([program]) {
  window.store = await runstate.open("indexeddb:crash");
  const { runs } = window.store;
  await runs.load({ name: "questions", source: program });
  await refusal(runs.start("questions", { id: "run", commandId: "start" }));
  const answers = [];
  let page = { next: undefined };
  do {
    page = await runs.calls({ execution: "run", limit: 500, cursor: page.next });
    for (const call of page.items) if (call.outcome !== undefined && call.outcome !== null) answers.push([call.step, call.response?.result]);
  } while (page.next);
  return answers.sort(([a], [b]) => a - b).map(([, answer]) => answer);
}

/** In the page: answers all remaining questions and reports each acknowledged answer. */
async function answerAll() {
  const run = await window.store.run("run");
  let sent = Promise.resolve();
  for await (const question of run.questions()) {
    const answer = question.prompt.replace("question", "answer");
    await question.answer(answer);
    // The next answer is sent while this one is reported; the one after it waits for the report.
    await sent;
    sent = acknowledge(answer);
  }
  await sent;
  return run.result();
}
