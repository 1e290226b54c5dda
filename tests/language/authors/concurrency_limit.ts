// answers: ["A", "B", "C", "D", "E"]
async function mapLimit<T, R>(items: T[], limit: number, fn: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let active = 0;
  let peak = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      active++;
      peak = Math.max(peak, active);
      try {
        results[index] = await fn(items[index], index);
      } finally {
        active--;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  console.log(`peak concurrency ${peak}`);
  return results;
}

class Semaphore {
  private waiting: Array<() => void> = [];
  constructor(private permits: number) {}
  async acquire(): Promise<() => void> {
    if (this.permits > 0) this.permits--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.waiting.shift();
      if (next) next();
      else this.permits++;
    };
  }
}

async function main() {
  const answers = await mapLimit(["one", "two", "three", "four", "five"], 2, async (name, i) => `${i}:${name}=${await CC(`Summarize ${name}`)}`);
  console.log(answers);

  const semaphore = new Semaphore(1);
  const log: string[] = [];
  await Promise.all(
    ["x", "y", "z"].map(async (id) => {
      const release = await semaphore.acquire();
      log.push(`${id} in`);
      await null;
      log.push(`${id} out`);
      release();
    }),
  );
  console.log(log.join(", "));
}
