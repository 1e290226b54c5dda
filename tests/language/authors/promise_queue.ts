type Task<T> = () => Promise<T>;
class TaskQueue {
  private queue: { task: Task<unknown>; resolve: (v: any) => void; reject: (e: unknown) => void; priority: number }[] = [];
  private running = 0;
  private idle: (() => void)[] = [];
  constructor(private readonly concurrency = 1) {}

  add<T>(task: Task<T>, { priority = 0 }: { priority?: number } = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const at = this.queue.findIndex((entry) => entry.priority < priority);
      const entry = { task, resolve, reject, priority };
      if (at === -1) this.queue.push(entry);
      else this.queue.splice(at, 0, entry);
      queueMicrotask(() => this.pump());
    });
  }
  private pump() {
    while (this.running < this.concurrency && this.queue.length > 0) {
      const { task, resolve, reject } = this.queue.shift()!;
      this.running++;
      task().then(resolve, reject).finally(() => {
        this.running--;
        this.pump();
        if (this.running === 0 && this.queue.length === 0) this.idle.splice(0).forEach((done) => done());
      });
    }
  }
  onIdle(): Promise<void> {
    return this.running === 0 && this.queue.length === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function main() {
  const queue = new TaskQueue(2);
  const log: string[] = [];
  const job = (name: string, ms: number): Task<string> => async () => {
    log.push(`+${name}`);
    await wait(ms);
    log.push(`-${name}`);
    return name.toUpperCase();
  };
  const results = Promise.all([queue.add(job("a", 10)), queue.add(job("b", 10)), queue.add(job("low", 10)), queue.add(job("high", 10), { priority: 5 })]);
  const failing = queue.add(async () => { throw new Error("task failed"); }).catch((e) => e.message);
  console.log(await results, await failing);
  await queue.onIdle();
  console.log(log.join(" "));
  console.log(await Promise.race([wait(5).then(() => "quick"), wait(50).then(() => "slow")]));
  console.log(await Promise.any([Promise.reject(new Error("x")), Promise.resolve("any")]));
}
