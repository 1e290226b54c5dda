// answers: ["draft one", "draft two", "draft three"]
class BudgetExceeded extends Error {
  override name = "BudgetExceeded";
  constructor(readonly needed: number, readonly left: number) {
    super(`needs ${needed.toFixed(3)}, only ${left.toFixed(3)} left`);
  }
}

interface Price { readonly input: number; readonly output: number }
const PRICES = { small: { input: 0.001, output: 0.002 }, large: { input: 0.01, output: 0.03 } } as const satisfies Record<string, Price>;
type Model = keyof typeof PRICES;

class Budget {
  #spent = 0;
  readonly #entries: { model: Model; cost: number }[] = [];
  constructor(readonly limit: number) {}
  get left() { return this.limit - this.#spent; }
  charge(model: Model, inputTokens: number, outputTokens: number) {
    const { input, output } = PRICES[model];
    const cost = (inputTokens * input + outputTokens * output) / 10;
    if (cost > this.left) throw new BudgetExceeded(cost, this.left);
    this.#spent += cost;
    this.#entries.push({ model, cost });
    return cost;
  }
  summary() {
    return this.#entries.reduce<Partial<Record<Model, number>>>((acc, { model, cost }) => {
      acc[model] = Math.round(((acc[model] ?? 0) + cost) * 1e6) / 1e6;
      return acc;
    }, {});
  }
}

async function ask(budget: Budget, model: Model, prompt: string): Promise<string> {
  budget.charge(model, prompt.length, 100);
  return await CC(`[${model}] ${prompt}`);
}

async function main() {
  const budget = new Budget(0.5);
  let model: Model = "large";
  const drafts: string[] = [];
  for (const topic of ["intro", "body", "end"]) {
    for (;;) {
      try {
        drafts.push(`${topic}: ${await ask(budget, model, `Write the ${topic}`)}`);
        break;
      } catch (e) {
        if (!(e instanceof BudgetExceeded) || model === "small") throw e;
        console.log(`${e.name}: ${e.message}; using the small model`);
        model = "small";
      }
    }
  }
  console.log(drafts, budget.summary(), budget.left.toFixed(3));
  console.log(budget);
}
