// The browser is killed with -9 in the middle of a run of 200 questions, and started again on the same profile, several times: every answer that
// was acknowledged is there, none is there twice, and the run comes to its end.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { kill, launch, newProfile } from "./support/chromium.js";
import { load, site } from "./support/site.js";

const QUESTIONS = 200;

/** After how many acknowledged answers of its life a browser is killed; the last one lives. */
const LIVES = [7, 41, 60];

const PROGRAM = `
function main() {
  const got = [];
  for (let i = 0; i < ${QUESTIONS}; i++) got.push(CC("question " + i));
  return got;
}
`;

let server;
before(async () => void (server = await site()));
after(() => server?.stop());

test("a browser that is killed loses no answer and doubles none", async () => {
  const profile = await newProfile();
  const acknowledged = [];
  try {
    for (const life of [...LIVES, Infinity]) await live(profile, acknowledged, life);
  } finally {
    await profile.remove();
  }
});

/** One life of a browser: looks at what is there, goes on answering, and is killed after `life` answers or comes to the end of the run. */
async function live(profile, acknowledged, life) {
  const browser = await launch(profile);
  try {
    await liveIn(browser, profile, acknowledged, life);
  } finally {
    // Also where it fails: a browser that stays keeps the tests from ending.
    await browser.close().catch(() => {});
  }
}

async function liveIn(browser, profile, acknowledged, life) {
  const page = await browser.newPage();
  let told = 0;
  const killed = new Promise((resolve) => {
    page.exposeFunction("acknowledge", async (answer) => {
      acknowledged.push(answer);
      told += 1;
      if (told !== life) return;
      // In the middle of what comes next, which the page has begun by now; without this word it goes no further.
      resolve(kill(profile));
      await new Promise(() => {});
    });
  });
  await load(page, server.url);
  const there = await page.evaluate(answered, [PROGRAM]);
  // One more may be there: committed, and the browser killed before it could say so.
  const expected = [...acknowledged];
  assert.deepEqual(there.slice(0, expected.length), expected, "what was acknowledged is there, in order");
  assert.ok(there.length <= expected.length + 1, `${there.length} answers are there, ${expected.length} were acknowledged`);
  acknowledged.push(...there.slice(expected.length));
  if (life !== Infinity) {
    // The page dies in it.
    page.evaluate(answerAll).catch(() => {});
    await killed;
    return;
  }
  const result = await page.evaluate(answerAll);
  const all = Array.from({ length: QUESTIONS }, (_, i) => `answer ${i}`);
  assert.deepEqual(result, all);
  assert.deepEqual(acknowledged, all);
}

/** In the page: opens the store, loads and starts where nothing is there, and tells all answers that stand in it. */
async function answered([program]) {
  window.store = await runstate.open("indexeddb:crash");
  const { cvm } = window.store;
  await cvm.load({ name: "questions", source: program });
  await refusal(cvm.start("questions", { id: "run", commandId: "start" }));
  const answers = [];
  let page = { next: undefined };
  do {
    page = await cvm.calls({ execution: "run", limit: 500, cursor: page.next });
    for (const call of page.rows) if (call.outcome !== undefined && call.outcome !== null) answers.push([call.step, call.result]);
  } while (page.next);
  return answers.sort(([a], [b]) => a - b).map(([, answer]) => answer);
}

/** In the page: answers to the end, and says each answer that was acknowledged. */
async function answerAll() {
  const run = await window.store.cvm.run("run");
  let heard = Promise.resolve();
  for await (const question of run.questions()) {
    const answer = question.prompt.replace("question", "answer");
    await question.answer(answer);
    // The next one is on its way when this one is heard, and the one after it not before.
    await heard;
    heard = acknowledge(answer);
  }
  await heard;
  return run.result();
}
