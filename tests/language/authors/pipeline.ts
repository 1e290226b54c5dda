type Step<A, B> = (a: A) => B;
const pipe = (...fns: Step<any, any>[]) => (x: any) => fns.reduce((v, f) => f(v), x);
const compose = (...fns: Step<any, any>[]) => pipe(...fns.reverse());
const curry = (fn: (...args: any[]) => any): any =>
  function curried(this: unknown, ...args: any[]): any {
    return args.length >= fn.length ? fn.apply(this, args) : (...more: any[]) => curried.call(this, ...args, ...more);
  };
const tap = <T>(fn: (v: T) => void) => (v: T): T => (fn(v), v);
const not = <A extends any[]>(fn: (...a: A) => boolean) => (...a: A) => !fn(...a);
const pipeAsync = (...fns: Step<any, any>[]) => (x: any) => fns.reduce((p, f) => p.then(f), Promise.resolve(x));
const debounceKey = ((n = 0) => () => `key-${n++}`)();

const add = curry((a: number, b: number, c: number) => a + b + c);
console.log(add(1)(2)(3), add(1, 2)(3), add(1)(2, 3), add.name, add.length);
const slugify = pipe(
  (s: string) => s.normalize("NFD").replace(/[\u0300-\u036f]/g, ""),
  (s: string) => s.toLowerCase(),
  (s: string) => s.replace(/[^a-z0-9]+/g, "-"),
  (s: string) => s.replace(/^-|-$/g, ""),
);
console.log(["Crème Brûlée!", "  Hello,   World ", "a--b"].map(slugify));
console.log(compose((n: number) => n + 1, (n: number) => n * 2)(5), [1, 2, 3, 4].filter(not((n: number) => n % 2 === 0)), debounceKey(), debounceKey());
const counter = { count: 0, increment() { return ++this.count; }, get double() { return this.count * 2; } };
const bound = counter.increment.bind(counter);
bound();
bound();
console.log(counter, counter.double, bound.name);

async function main() {
  const seen: unknown[] = [];
  const result = await pipeAsync((n: number) => n + 1, async (n: number) => n * 10, tap((v) => seen.push(v)), (n: number) => ({ n }))(4);
  console.log(result, seen);
  function sum() { return [...arguments].reduce((a, b) => a + b, 0); }
  console.log((sum as any)(1, 2, 3), Reflect.ownKeys({ a: 1, 2: 3 }), Math.max.apply(null, [1, 5, 3]), (function () { return typeof this; }).call(5));
}
