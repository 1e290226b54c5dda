interface ListNode<T> { value: T; next: ListNode<T> | null }

class LinkedList<T> implements Iterable<T> {
  private head: ListNode<T> | null = null;
  private tail: ListNode<T> | null = null;
  private count = 0;

  static from<T>(values: Iterable<T>): LinkedList<T> {
    const list = new LinkedList<T>();
    for (const value of values) list.append(value);
    return list;
  }
  append(value: T): this {
    const node = { value, next: null };
    if (this.tail) this.tail.next = node;
    else this.head = node;
    this.tail = node;
    this.count++;
    return this;
  }
  reverse(): this {
    let previous: ListNode<T> | null = null;
    let current = this.head;
    this.tail = this.head;
    while (current) [current.next, previous, current] = [previous, current, current.next];
    this.head = previous;
    return this;
  }
  [Symbol.iterator](): Iterator<T> {
    let node = this.head;
    return {
      next: (): IteratorResult<T> => {
        if (!node) return { done: true, value: undefined };
        const { value } = node;
        node = node.next;
        return { done: false, value };
      },
    };
  }
  get length() { return this.count; }
}

const list = LinkedList.from([1, 2, 3]);
list.append(4).reverse();
console.log([...list], list.length, Math.max(...list));
const [first, ...rest] = list;
console.log(first, rest, Array.from(list, (n) => n * 2));
for (const value of list) if (value < 3) { console.log("first below 3:", value); break; }
