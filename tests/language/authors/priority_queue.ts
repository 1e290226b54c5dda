type Comparator<T> = (a: T, b: T) => number;

class PriorityQueue<T> {
  #heap: T[] = [];
  #compare: Comparator<T>;

  constructor(compare: Comparator<T>) {
    this.#compare = compare;
  }

  get size() {
    return this.#heap.length;
  }

  push(...items: T[]): this {
    for (const item of items) {
      this.#heap.push(item);
      this.#up(this.#heap.length - 1);
    }
    return this;
  }

  pop(): T | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (this.#heap.length > 0 && last !== undefined) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return top;
  }

  #up(i: number) {
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#compare(this.#heap[i], this.#heap[parent]) >= 0) return;
      [this.#heap[i], this.#heap[parent]] = [this.#heap[parent], this.#heap[i]];
      i = parent;
    }
  }

  #down(i: number) {
    for (;;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let best = i;
      if (left < this.size && this.#compare(this.#heap[left], this.#heap[best]) < 0) best = left;
      if (right < this.size && this.#compare(this.#heap[right], this.#heap[best]) < 0) best = right;
      if (best === i) return;
      [this.#heap[i], this.#heap[best]] = [this.#heap[best], this.#heap[i]];
      i = best;
    }
  }
}

enum Priority {
  Low = 1,
  Normal = 5,
  High = 10,
}

interface Job {
  name: string;
  priority: Priority;
  due: number;
}

const queue = new PriorityQueue<Job>((a, b) => b.priority - a.priority || a.due - b.due);
queue
  .push({ name: "report", priority: Priority.Low, due: 3 }, { name: "deploy", priority: Priority.High, due: 2 })
  .push({ name: "review", priority: Priority.Normal, due: 1 })
  .push({ name: "hotfix", priority: Priority.High, due: 1 });
console.log(`${queue.size} jobs`);
while (queue.size > 0) {
  const { name, priority, due } = queue.pop()!;
  console.log(`${Priority[priority].padEnd(6)} ${name} (due ${due})`);
}
console.log(queue.pop(), queue);
