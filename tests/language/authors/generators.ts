function* range(start: number, end = Infinity, step = 1): Generator<number> {
  for (let i = start; i < end; i += step) yield i;
}

function* take<T>(source: Iterable<T>, count: number): Generator<T> {
  if (count <= 0) return;
  for (const value of source) {
    yield value;
    if (--count === 0) return;
  }
}

function* map<T, R>(source: Iterable<T>, fn: (value: T) => R): Generator<R> {
  for (const value of source) yield fn(value);
}

function* chunk<T>(source: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const value of source) {
    batch.push(value);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

function* walk(tree: any, path: string[] = []): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "object" && value !== null) yield* walk(value, [...path, key]);
    else yield [[...path, key].join("."), value];
  }
}

function* conversation(): Generator<string, string, string> {
  const name = yield "What is your name?";
  const color = yield `Hello ${name}, which colour?`;
  return `${name} likes ${color}`;
}

console.log([...take(map(range(1), (n) => n * n), 5)]);
console.log([...chunk(range(0, 7), 3)]);
for (const [path, value] of walk({ a: 1, b: { c: "x", d: { e: true } } })) console.log(path, value);
const talk = conversation();
console.log(talk.next().value, talk.next("Ada").value, talk.next("blue"));
