export type Outcome<T, E = Error> = { ok: true; value: T } | { ok: false; error: E };
const Ok = <T>(value: T): Outcome<T, never> => ({ ok: true, value });
const Err = <E>(error: E): Outcome<never, E> => ({ ok: false, error });

function pick<T extends object, K extends keyof T>(obj: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((k) => k in obj).map((k) => [k, obj[k]])) as Pick<T, K>;
}
function omit<T extends object, K extends keyof T>(obj: T, ...keys: K[]): Omit<T, K> {
  const { ...copy } = obj;
  for (const key of keys) delete copy[key];
  return copy;
}
const zip = <A, B>(as: readonly A[], bs: readonly B[]): [A, B][] => as.slice(0, Math.min(as.length, bs.length)).map((a, i) => [a, bs[i]]);
const chunk = <T,>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
const uniqueBy = <T, K>(items: Iterable<T>, key: (item: T) => K): T[] => [...new Map([...items].reverse().map((i) => [key(i), i])).values()].reverse();
const partition = <T, S extends T>(items: T[], test: (item: T) => item is S): [S[], Exclude<T, S>[]] => {
  const yes: S[] = [], no: Exclude<T, S>[] = [];
  for (const item of items) test(item) ? yes.push(item) : no.push(item as Exclude<T, S>);
  return [yes, no];
};
function parsePort(text: string): Outcome<number, string> {
  const port = Number.parseInt(text, 10);
  return Number.isInteger(port) && port > 0 && port < 65536 ? Ok(port) : Err(`bad port: ${text}`);
}

const user = { id: 7, name: "Ada", email: "ada@example.com", admin: false };
console.log(pick(user, "id", "name"), omit(user, "email", "admin"));
console.log(zip([1, 2, 3], ["a", "b"]), chunk([1, 2, 3, 4, 5], 2));
console.log(uniqueBy([{ k: 1, v: "a" }, { k: 2, v: "b" }, { k: 1, v: "c" }], ({ k }) => k));
const isString = (v: unknown): v is string => typeof v === "string";
const [strings, others] = partition<unknown, string>([1, "a", null, "b", undefined, [], {}], isString);
console.log(strings, others);
for (const text of ["8080", "0", "http", "70000"]) {
  const result = parsePort(text);
  console.log(result.ok ? result.value : result.error);
}
