// The demo page in use: examples, a reload during a question, a second tab, accessibility, themes.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { EXAMPLES, demo, waitUntilOpen, waitForStatus, runExample, visit } from "./support/demo.js";

let server;
before(async () => void (server = await demo()));
after(() => server?.stop());

/** Answers the first open question by its buttons or its form. */
async function answerOne(page) {
  const question = page.getByTestId("question").first();
  const call = await question.getAttribute("data-call");
  if (await question.getByTestId("choice").count()) {
    await question.getByTestId("choice").first().click();
  } else if (await question.getByTestId("text-answer").count()) {
    await question.getByTestId("text-answer").fill("an answer");
    await question.getByTestId("send").click();
  } else {
    await fillForm(question);
    await question.getByTestId("send").click();
  }
  // The question disappears when its answer is stored.
  await page.waitForFunction((call) => document.querySelector(`[data-testid="question"][data-call="${CSS.escape(call)}"]`) === null, call);
}

/** Fills each field of a schema's form with a value of its kind. */
async function fillForm(question) {
  for (const field of await question.getByTestId("field").all()) {
    const kind = await field.evaluate(({ tagName, type, inputMode }) => (tagName === "SELECT" ? "select" : /numeric|decimal/.test(inputMode) ? "number" : type));
    if (kind === "select") await field.selectOption({ index: 1 }).catch(() => field.selectOption({ index: 0 }));
    else if (kind === "number") await field.fill("3");
    else await field.fill("text");
  }
}

/** The number of questions of an example that are answered through the page; one example has a hundred. */
const BY_HAND = 25;

/** In the page: answers the remaining questions with the first choice of each. */
async function answerRest(id) {
  for await (const question of (await rs.run(id)).questions()) await question.answer(question.choices[0]);
}

for (const name of EXAMPLES) {
  test(`the example ${name} runs to its end`, () =>
    withBrowser(async (browser) => {
      const page = await visit(browser, server.url);
      const id = await runExample(page, name);
      for (let answered = 0; ; answered++) {
        await page.waitForFunction(() => {
          const status = document.querySelector('[data-testid="status"]')?.getAttribute("data-status");
          return ["complete", "error"].includes(status) || document.querySelector('[data-testid="question"]') !== null;
        });
        if ((await page.getByTestId("question").count()) === 0) break;
        if (answered < BY_HAND) await answerOne(page);
        else await page.evaluate(answerRest, id);
      }
      await waitForStatus(page, "complete");
      assert.notEqual((await page.getByTestId("output-lines").innerText()).trim(), "");
      assert.deepEqual(page.errors, []);
    }));
}

test("a reload keeps the open question and the typed text", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.evaluate(async () => {
      await rs.load({ name: "ask", source: 'console.log("Hello, " + CC("Who is there?"))' });
      await rs.start("ask", { id: "run" });
      location.hash = "#/x/run";
    });
    await page.getByTestId("text-answer").fill("Ada, half ty");
    await page.reload();
    await waitUntilOpen(page);
    assert.equal(await page.getByTestId("prompt").first().innerText(), "Who is there?");
    assert.equal(await page.getByTestId("text-answer").inputValue(), "Ada, half ty");
    await page.getByTestId("text-answer").fill("Ada");
    await page.getByTestId("send").click();
    await waitForStatus(page, "complete");
    assert.match(await page.getByTestId("output-lines").innerText(), /Hello, Ada/);
  }));

test("an answer in a second tab appears in the first", () =>
  withBrowser(async (browser) => {
    const first = await visit(browser, server.url);
    const id = await runExample(first, "code_review");
    await first.getByTestId("question").first().waitFor();
    const second = await visit(browser, `${server.url}#/x/${encodeURIComponent(id)}`);
    await second.getByTestId("question").first().waitFor();
    const call = await first.getByTestId("question").first().getAttribute("data-call");
    await answerOne(second);
    await first.waitForFunction((call) => document.querySelector(`[data-testid="question"][data-call="${CSS.escape(call)}"]`) === null, call);
    const row = `[data-testid="execution-row"][data-id="${id}"]`;
    await first.waitForFunction(
      ([row, status]) => document.querySelector(row)?.getAttribute("data-status") === status,
      [row, await second.getByTestId("status").first().getAttribute("data-status")],
    );
  }));

test("what waits in all executions is listed, and calls are approved or rejected", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    const titles = () => page.getByTestId("inbox-row").allInnerTexts();
    const untilListed = (count) => page.waitForFunction((count) => document.querySelectorAll('[data-testid="inbox-row"]').length === count, count);
    assert.deepEqual(await titles(), []);
    const [first, second] = await page.evaluate(async () => {
      await rs.load({ name: "ask", source: 'console.log(ask("Who is there?"))' });
      await rs.start("ask", { id: "question" });
      const code = rs.code({ tools: { pay: { refund: async ({ order }) => `refunded ${order}` } } });
      await rs.load({ name: "pay", source: "const paid = await tools.pay.refund({ order: input });\nreturn paid", script: true, tools: ["pay.refund"] });
      const policy = { kinds: ["pay.refund"], approve: ["pay.refund"] };
      // Its tools are listed before the first call is approved.
      await code.types();
      const runs = [await rs.start("pay", { id: "pay-1", input: 1, policy }), await rs.start("pay", { id: "pay-2", input: 2, policy })];
      return runs.map(({ id }) => id);
    });
    await untilListed(3);
    assert.deepEqual(await titles(), ["Who is there?", "Approve pay.refund?", "Approve pay.refund?"]);

    await page.getByTestId("inbox-row").nth(1).click();
    await page.getByTestId("approve").waitFor();
    assert.ok(page.url().endsWith(first));
    const card = page.getByTestId("question");
    assert.match(await card.innerText(), /Approve pay\.refund\?\s+line 1\s[^]*"order": 1/);
    assert.equal(await card.getByTestId("send").count(), 0, "it has no form for the result of the tool");
    await page.getByTestId("approve").click();
    await waitForStatus(page, "complete");
    assert.match(await page.getByTestId("result").innerText(), /refunded 1/);
    await untilListed(2);

    await page.getByTestId("inbox-row").nth(1).click();
    await page.waitForFunction((id) => location.hash.endsWith(id), second);
    await page.getByTestId("note").fill("too much");
    await page.reload();
    await waitUntilOpen(page);
    assert.equal(await page.getByTestId("note").inputValue(), "too much", "a reload keeps the note");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await violations(page, `an approval, ${colorScheme}`), []);
    }
    await page.getByTestId("reject").click();
    await waitForStatus(page, "error");
    assert.match(await page.getByTestId("program-error").innerText(), /RejectedError at line 1\s+too much/);
    await untilListed(1);

    // An answer of another tab removes its row.
    const other = await visit(page.context(), `${server.url}#/x/question`);
    await other.getByTestId("text-answer").fill("Ada");
    await other.getByTestId("send").click();
    await untilListed(0);
    assert.deepEqual([...page.errors, ...other.errors], []);
  }));

test("an app runs its steps in the page, also after a reload", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, `${server.url}#/apps`);
    const steps = (status) => page.locator(`[data-testid="apps-step"][data-status="${status}"]`);
    await page.getByTestId("apps-run").click();
    await page.waitForFunction(() => document.querySelectorAll('[data-testid="apps-step"][data-status="running"]').length === 2);
    await page.reload();
    await waitUntilOpen(page);
    const row = page.locator('[data-testid="apps-row"][data-status="completed"]');
    await row.waitFor();
    const id = await row.getAttribute("data-id");
    assert.ok(page.url().endsWith(encodeURIComponent(id)));
    await steps("completed").nth(4).waitFor();
    const report = await page.evaluate(async (execution) => {
      const { items: [artifact] } = await rs.apps.artifact.list({ execution });
      return rs.apps.artifacts.text(artifact.id);
    }, id);
    assert.match(report, /^π is about 3\.1\d*, by 240000 darts\.\n$/);
    assert.deepEqual(await page.getByTestId("apps-metrics").locator("tbody th").allInnerTexts(), ["left", "right"]);
    const colours = await page.getByTestId("apps-plot").locator("canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    assert.ok(colours > 10, `the plot has ${colours} colours`);
    await page.setViewportSize({ width: 360, height: 740 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await violations(page, `apps, ${colorScheme}`), []);
    }
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth));
    assert.deepEqual(page.errors, []);
  }));

test("calls stop before their budget is exceeded, in two tabs", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, `${server.url}#/budgets`);
    const amounts = async (tab) => {
      const text = async (name) => Number(await tab.getByTestId(`budgets-${name}`).locator("td").innerText());
      return { spent: await text("spent"), reserved: await text("reserved"), allocated: await text("allocated") };
    };
    const isWithin = ({ spent, reserved, allocated }) => spent + reserved <= allocated + 1e-9;
    await page.getByTestId("budgets-spend").click();
    await page.getByTestId("budgets-stop").waitFor();
    assert.match(await page.getByTestId("budgets-stop").innerText(), /^the total budget of money does not have 0\.06/);
    const before = await amounts(page);
    assert.ok(before.spent > 0.4 && before.reserved === 0 && isWithin(before), JSON.stringify(before));
    const other = await visit(page.context(), `${server.url}#/budgets`);
    await other.getByTestId("budgets-spend").click();
    await other.getByTestId("budgets-stop").waitFor();
    assert.deepEqual(await amounts(other), before);
    await page.getByTestId("budgets-raise").click();
    await page.waitForFunction(() => document.querySelector('[data-testid="budgets-allocated"] td').textContent === "0.75");
    await page.getByTestId("budgets-spend").click();
    await page.getByTestId("budgets-stop").waitFor();
    const after = await amounts(page);
    assert.ok(after.spent > 0.65 && after.reserved === 0 && isWithin(after), JSON.stringify(after));
    await page.setViewportSize({ width: 360, height: 740 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await violations(page, `budgets, ${colorScheme}`), []);
    }
    // The plot follows the width of the window a moment later.
    await page.waitForFunction(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
    assert.deepEqual([...page.errors, ...other.errors], []);
  }));

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing serious, ${colorScheme}`, () =>
    withBrowser(async (browser) => {
      const page = await visit(browser, server.url);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const found = [await violations(page, "the editor")];
      await runExample(page, "interview");
      await page.getByTestId("question").first().waitFor();
      found.push(await violations(page, "a question"));
      await page.setViewportSize({ width: 360, height: 740 });
      found.push(await violations(page, "a question at 360 px"));
      assert.deepEqual(found.flat(), []);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `at 360 px the page is ${wide} px too wide`);
    }));
}

test("the theme follows the system until one is chosen, also after a reload", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const [light, dark] = ["rgb(246, 245, 241)", "rgb(20, 22, 26)"];
    const readColors = async () => {
      const colors = [];
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        colors.push(await paper());
      }
      return colors;
    };
    assert.deepEqual(await readColors(), [light, dark]);
    for (const [chosen, expected] of [["light", [light, light]], ["dark", [dark, dark]]]) {
      await page.getByTestId("theme").click();
      assert.deepEqual(await readColors(), expected, chosen);
    }
    await page.reload();
    await waitUntilOpen(page);
    assert.deepEqual(await readColors(), [dark, dark], "after a reload");
    await page.getByTestId("theme").click();
    assert.deepEqual(await readColors(), [light, dark], "the system again");
  }));

async function violations(page, where) {
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, help, nodes }) => `${where}: ${id}, ${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}
