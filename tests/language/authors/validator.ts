type Issue = { path: (string | number)[]; message: string };
type Outcome<T> = { success: true; data: T } | { success: false; issues: Issue[] };

abstract class Schema<T> {
  abstract check(value: unknown, path: Issue["path"], issues: Issue[]): T;
  safeParse(value: unknown): Outcome<T> {
    const issues: Issue[] = [];
    const data = this.check(value, [], issues);
    return issues.length ? { success: false, issues } : { success: true, data };
  }
  optional(): Schema<T | undefined> { return new Optional(this); }
  refine(test: (value: T) => boolean, message: string): Schema<T> { return new Refinement(this, test, message); }
}
class Optional<T> extends Schema<T | undefined> {
  constructor(private inner: Schema<T>) { super(); }
  check(value: unknown, path: Issue["path"], issues: Issue[]) { return value === undefined ? undefined : this.inner.check(value, path, issues); }
}
class Refinement<T> extends Schema<T> {
  constructor(private inner: Schema<T>, private test: (value: T) => boolean, private message: string) { super(); }
  check(value: unknown, path: Issue["path"], issues: Issue[]) {
    const before = issues.length;
    const result = this.inner.check(value, path, issues);
    if (issues.length === before && !this.test(result)) issues.push({ path, message: this.message });
    return result;
  }
}
class Primitive<T> extends Schema<T> {
  constructor(private type: string) { super(); }
  check(value: unknown, path: Issue["path"], issues: Issue[]) {
    if (typeof value !== this.type) issues.push({ path, message: `expected ${this.type}, received ${value === null ? "null" : typeof value}` });
    return value as T;
  }
}
class ArrayOf<T> extends Schema<T[]> {
  constructor(private item: Schema<T>) { super(); }
  check(value: unknown, path: Issue["path"], issues: Issue[]) {
    if (!Array.isArray(value)) { issues.push({ path, message: "expected array" }); return []; }
    return value.map((v, i) => this.item.check(v, [...path, i], issues));
  }
}
type Shape = Record<string, Schema<any>>;
type Infer<S> = S extends Schema<infer T> ? T : never;
class ObjectOf<S extends Shape> extends Schema<{ [K in keyof S]: Infer<S[K]> }> {
  constructor(private shape: S) { super(); }
  check(value: unknown, path: Issue["path"], issues: Issue[]) {
    const out = {} as { [K in keyof S]: Infer<S[K]> };
    if (typeof value !== "object" || value === null) { issues.push({ path, message: "expected object" }); return out; }
    for (const key in this.shape) {
      const result = this.shape[key].check((value as any)[key], [...path, key], issues);
      if (result !== undefined) out[key] = result;
    }
    return out;
  }
}
const z = {
  string: () => new Primitive<string>("string"),
  number: () => new Primitive<number>("number"),
  array: <T>(item: Schema<T>) => new ArrayOf(item),
  object: <S extends Shape>(shape: S) => new ObjectOf(shape),
};

const User = z.object({ name: z.string().refine((s) => s.length > 0, "must not be empty"), age: z.number().optional(), roles: z.array(z.string()) });
type User = Infer<typeof User>;
const good: Outcome<User> = User.safeParse({ name: "Ada", roles: ["admin"], extra: true });
console.log(good);
for (const bad of [{ name: "", age: "x", roles: ["a", 5] }, null, { name: 5 }]) {
  const result = User.safeParse(bad);
  if (!result.success) for (const { path, message } of result.issues) console.log(`${path.join(".") || "(root)"}: ${message}`);
}
