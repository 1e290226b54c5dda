type Change = { path: string; from: unknown; to: unknown };
function observe<T extends object>(target: T, onChange: (change: Change) => void, path = ""): T {
  return new Proxy(target, {
    get(obj, key, receiver) {
      const value = Reflect.get(obj, key, receiver);
      return typeof value === "object" && value !== null ? observe(value, onChange, `${path}${String(key)}.`) : value;
    },
    set(obj, key, value, receiver) {
      const from = Reflect.get(obj, key);
      if (from !== value) onChange({ path: path + String(key), from, to: value });
      return Reflect.set(obj, key, value, receiver);
    },
    deleteProperty(obj, key) {
      onChange({ path: path + String(key), from: (obj as any)[key], to: undefined });
      return Reflect.deleteProperty(obj, key);
    },
  });
}
const changes: Change[] = [];
const state = observe({ user: { name: "Ada", tags: ["a"] }, count: 0 } as any, (c) => changes.push(c));
state.count++;
state.user.name = "Grace";
state.user.name = "Grace";
delete state.count;
for (const { path, from, to } of changes) console.log(`${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`);
