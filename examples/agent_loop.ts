// An agent. A model chooses the next step as JSON; the program runs the tool, shows the model the result, and asks
// again, until the model finishes or the steps are used up. A tool that fails is tried again, each time after a longer
// pause.
//
//   runstate run examples/agent_loop.ts --answers examples/agent_loop.answers.json
//   runstate run examples/agent_loop.ts --input '{"goal": "Which service is slow?"}' --answer-with 'your-model --print'
//   runstate work --kind search --kind read --kind calculate --exec ./tools.sh   # a worker runs the tools
//
// Kill it at any moment: `runstate resume ID` continues at the same step. No answered question is asked again, and no
// tool runs again.

type Step =
  | { action: "tool"; tool: string; args: Record<string, unknown> }
  | { action: "finish"; answer: string };

interface Event {
  step: string;
  result: string;
}

const MAX_STEPS = 8;
const MAX_ATTEMPTS = 3;
const FIRST_PAUSE_MS = 500;

const TOOLS: Record<string, string> = {
  search: "finds pages: { query }",
  read: "returns the text of a page: { url }",
  calculate: "evaluates a formula: { formula }",
};

const stepSchema = {
  type: "object",
  required: ["action"],
  properties: {
    action: { type: "string", enum: ["tool", "finish"] },
    tool: { type: "string", enum: Object.keys(TOOLS) },
    args: { type: "object" },
    answer: { type: "string", minLength: 1 },
  },
};

function prompt(goal: string, events: Event[], stepsLeft: number): string {
  const tools = Object.entries(TOOLS).map(([name, about]) => `- ${name} ${about}`);
  const history = events.map((event, index) => `${index + 1}. ${event.step} -> ${event.result}`);
  return [
    `Goal: ${goal}`,
    "Tools:",
    ...tools,
    history.length === 0 ? "Nothing has been done yet." : "Done so far:",
    ...history,
    `Choose the next step (${stepsLeft} left): {"action": "tool", "tool", "args"} or {"action": "finish", "answer"}.`,
  ].join("\n");
}

/** Runs a tool. A worker fails the call, which throws, or returns `{ "error": "…" }`. Both are tried again after a
 * pause. */
function runTool(tool: string, args: Record<string, unknown>): string {
  for (let attempt = 1; ; attempt++) {
    try {
      const result = call(tool, args, { timeoutMs: 60_000 });
      if (result?.error !== undefined) throw new Error(result.error);
      return typeof result === "string" ? result : JSON.stringify(result);
    } catch (error) {
      const { message } = error as Error;
      // The model reads the error, and can choose another way.
      if (attempt === MAX_ATTEMPTS) return `failed ${attempt} times: ${message}`;
      const pause = FIRST_PAUSE_MS * 2 ** (attempt - 1);
      console.log(`  ${tool} failed (${message}), again in ${pause} ms`);
      sleep(pause);
    }
  }
}

function main() {
  const goal: string = input?.goal ?? "How many people live in the two largest cities of Portugal?";
  console.log(`Goal: ${goal}`);
  const events: Event[] = [];
  for (let used = 0; used < MAX_STEPS; used++) {
    const next: Step = CC(prompt(goal, events, MAX_STEPS - used), { schema: stepSchema });
    if (next.action === "finish") {
      console.log(`Answer: ${next.answer}`);
      return { answer: next.answer, steps: events.length };
    }
    const step = `${next.tool} ${JSON.stringify(next.args)}`;
    console.log(`${used + 1}. ${step}`);
    const result = runTool(next.tool, next.args);
    console.log(`  ${result}`);
    events.push({ step, result });
  }
  console.log(`Stopped after ${MAX_STEPS} steps.`);
  return { answer: null, steps: events.length };
}
