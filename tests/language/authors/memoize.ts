function memoize<A extends unknown[], R>(fn: (...args: A) => R, key: (...args: A) => string = (...args) => JSON.stringify(args)) {
  const cache = new Map<string, R>();
  let hits = 0;
  const memoized = (...args: A): R => {
    const k = key(...args);
    if (cache.has(k)) {
      hits++;
      return cache.get(k)!;
    }
    const value = fn(...args);
    cache.set(k, value);
    return value;
  };
  return Object.assign(memoized, { stats: () => ({ size: cache.size, hits }), clear: () => cache.clear() });
}

const fib: (n: number) => bigint = memoize((n: number): bigint => (n < 2 ? BigInt(n) : fib(n - 1) + fib(n - 2)));
console.log(fib(90), typeof fib(3), `${fib(50)}`);

const editDistance = memoize((a: string, b: string): number => {
  if (!a || !b) return a.length + b.length;
  if (a[0] === b[0]) return editDistance(a.slice(1), b.slice(1));
  return 1 + Math.min(editDistance(a.slice(1), b), editDistance(a, b.slice(1)), editDistance(a.slice(1), b.slice(1)));
});
for (const [a, b] of [["kitten", "sitting"], ["flaw", "lawn"], ["", "abc"]] as const) {
  console.log(`${a || "(empty)"} -> ${b}: ${editDistance(a, b)}`);
}
console.log(editDistance.stats());
editDistance.clear();
console.log(editDistance.stats(), editDistance.name, editDistance.length);
