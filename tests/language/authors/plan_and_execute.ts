// answers: [{"steps": [{"id": "fetch", "task": "Fetch the data", "needs": []}, {"id": "clean", "task": "Clean it", "needs": ["fetch"]}, {"id": "chart", "task": "Draw a chart", "needs": ["clean"]}, {"id": "text", "task": "Write the text", "needs": ["clean"]}, {"id": "publish", "task": "Publish", "needs": ["chart", "text"]}]}, "1,200 rows", "1,180 rows", "chart.png", "Sales grew.", "online"]
interface PlanStep { id: string; task: string; needs: string[] }
type Status = "pending" | "running" | "done";

class Plan {
  private readonly status = new Map<string, Status>();
  readonly results: Record<string, string> = {};
  constructor(private readonly steps: PlanStep[]) {
    const ids = new Set(steps.map((s) => s.id));
    for (const { id, needs } of steps) {
      const unknown = needs.filter((n) => !ids.has(n));
      if (unknown.length) throw new Error(`${id} needs unknown steps: ${unknown}`);
      this.status.set(id, "pending");
    }
  }
  get ready(): PlanStep[] {
    return this.steps.filter(({ id, needs }) => this.status.get(id) === "pending" && needs.every((n) => this.status.get(n) === "done"));
  }
  get finished() { return [...this.status.values()].every((s) => s === "done"); }
  start(id: string) { this.status.set(id, "running"); }
  finish(id: string, result: string) {
    this.status.set(id, "done");
    this.results[id] = result;
  }
}

async function main() {
  const { steps }: { steps: PlanStep[] } = await CC("Plan a sales report", { schema: { type: "object", required: ["steps"], properties: { steps: { type: "array" } } } });
  const plan = new Plan(steps);
  let wave = 0;
  while (!plan.finished) {
    const ready = plan.ready;
    if (ready.length === 0) throw new Error("the plan has a cycle");
    console.log(`wave ${++wave}: ${ready.map((s) => s.id).join(", ")}`);
    await Promise.all(
      ready.map(async ({ id, task, needs }) => {
        plan.start(id);
        const context = needs.map((n) => `${n}: ${plan.results[n]}`).join("; ");
        plan.finish(id, await CC(`${task}${context && ` (${context})`}`));
      }),
    );
  }
  console.log(plan.results);
  return plan.results.publish;
}
