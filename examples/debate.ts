// A debate: three models discuss a question over several rounds. In each round all of them answer at the same time,
// and each one reads what the others wrote before. A judge decides at the end.
//
//   runstate run examples/debate.ts --answers examples/debate.answers.json
//   runstate run examples/debate.ts --input '{"question": "Tabs?", "rounds": 3}' --answer-with 'your-model --print'
//
// Each prompt names its debater, so that a command or a worker can give it to a different model.

interface Debater {
  name: string;
  role: string;
}

interface Opinion {
  position: "for" | "against" | "undecided";
  argument: string;
}

const debaters: Debater[] = [
  { name: "Optimist", role: "You look for what could go well." },
  { name: "Skeptic", role: "You look for what could fail, and what it would cost." },
  { name: "Pragmatist", role: "You look for the smallest step that helps." },
];

const opinionSchema = {
  type: "object",
  required: ["position", "argument"],
  additionalProperties: false,
  properties: {
    position: { type: "string", enum: ["for", "against", "undecided"] },
    argument: { type: "string", minLength: 1, maxLength: 400 },
  },
};

type Round = Map<string, Opinion>;

/** Returns what a debater reads: the last round, with its own opinion first. */
function transcript(reader: Debater, rounds: Round[]): string {
  const last = rounds.at(-1);
  if (last === undefined) return "You speak first.";
  const names = [reader.name, ...debaters.map(({ name }) => name).filter((name) => name !== reader.name)];
  return names.map((name) => `${name === reader.name ? "You" : name}: ${last.get(name)?.argument}`).join("\n");
}

async function speak(debater: Debater, question: string, rounds: Round[]): Promise<[string, Opinion]> {
  const prompt = [`${debater.name}, ${debater.role}`, `Question: ${question}`, transcript(debater, rounds), "Your position?"];
  const opinion: Opinion = await CC(prompt.join("\n"), { schema: opinionSchema, key: `${debater.name}-${rounds.length + 1}` });
  return [debater.name, opinion];
}

function show(round: Round, number: number): void {
  console.log(`Round ${number}`);
  for (const [name, { position, argument }] of round) console.log(`  ${name} (${position}): ${argument}`);
}

const isUnanimous = (round: Round): boolean => new Set([...round.values()].map(({ position }) => position)).size === 1;

async function main() {
  const question: string = input?.question ?? "Should we rewrite the billing service?";
  const most: number = input?.rounds ?? 2;
  const rounds: Round[] = [];
  console.log(question);
  while (rounds.length < most) {
    const round: Round = new Map(await Promise.all(debaters.map((debater) => speak(debater, question, rounds))));
    rounds.push(round);
    show(round, rounds.length);
    // If all agree, another round would change nothing.
    if (isUnanimous(round)) break;
  }

  const all = rounds.flatMap((round, index) => [...round].map(([name, { argument }]) => `${index + 1} ${name}: ${argument}`));
  const verdict = CC(`You are the judge. ${question}\n${all.join("\n")}\nDecide.`, { choices: ["for", "against"] });
  const reason = CC(`Why "${verdict}"? One sentence.`);
  console.log(`Verdict: ${verdict}. ${reason}`);
  return { verdict, reason, rounds: rounds.length };
}
