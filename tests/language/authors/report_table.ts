interface Usage { model: string; calls: number; tokens: number; cost?: number }
const usage: Usage[] = [
  { model: "small", calls: 120, tokens: 45_000, cost: 0.09 },
  { model: "large", calls: 7, tokens: 81_250, cost: 2.4375 },
  { model: "local", calls: 3, tokens: 900 },
];
console.table(usage);
console.table(usage.map(({ model, cost = 0 }) => [model, cost.toFixed(2)]));
console.table({ first: { a: 1 }, second: { a: 2, b: "x" } });
console.table(new Map([["k", 1]]));
console.table(["plain", "list"]);
console.group("Totals");
const total = usage.reduce((sum, u) => ({ calls: sum.calls + u.calls, tokens: sum.tokens + u.tokens }), { calls: 0, tokens: 0 });
console.log(total);
console.group();
console.info("per call: %d tokens, %s", Math.round(total.tokens / total.calls), "on average");
console.groupEnd();
console.groupEnd();
console.log("%o and %j", { a: [1, { b: 2 }] }, { c: 3 });
console.count("row");
console.count("row");
console.assert(total.calls === 0, "calls were %d", total.calls);
console.dir({ deep: { deeper: { deepest: { end: true } } } }, { depth: 0 });
console.log([undefined, null, NaN, -0, "it's", () => 1, class A {}, Symbol.iterator]);
