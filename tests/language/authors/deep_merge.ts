type Plain = { [key: string]: unknown };
const isPlain = (v: unknown): v is Plain => typeof v === "object" && v !== null && Object.getPrototypeOf(v) === Object.prototype;

function deepMerge<T extends Plain>(target: T, ...sources: Plain[]): T {
  const result: Plain = { ...target };
  for (const source of sources) {
    for (const [key, value] of Object.entries(source)) {
      const existing = result[key];
      if (isPlain(existing) && isPlain(value)) result[key] = deepMerge(existing, value);
      else if (Array.isArray(existing) && Array.isArray(value)) result[key] = [...existing, ...value];
      else if (value !== undefined) result[key] = value;
    }
  }
  return result as T;
}
function deepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((k) => Object.hasOwn(b as object, k) && deepEqual((a as Plain)[k], (b as Plain)[k]));
}
function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}

const defaults = deepFreeze({ server: { host: "localhost", port: 80, tags: ["base"] }, debug: false, retries: undefined as number | undefined });
const merged = deepMerge(defaults, { server: { port: 8080, tags: ["prod"], tls: { cert: null } } }, { debug: true, retries: undefined, server: { tls: { key: "k" } } });
console.log(merged);
console.log(defaults.server.port, Object.isFrozen(defaults.server));
const original = { date: new Date(0), map: new Map([["a", { n: 1 }]]), set: new Set([1]), nested: [[1, [2]]] };
const copy = structuredClone(original);
copy.map.get("a")!.n = 99;
copy.nested[0].push(3);
console.log(original, copy);
console.log(deepEqual(merged, structuredClone(merged)), deepEqual({ a: 1 }, { b: 1 }), deepEqual([NaN], [NaN]));
try {
  (defaults.server as any).port = 1;
} catch (e) {
  console.log((e as Error).name, (e as Error).message);
}
const circular: any = { name: "loop" };
circular.self = circular;
console.log(circular, structuredClone(circular).self.name);
