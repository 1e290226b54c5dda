type Operation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string }
  | { op: "move" | "copy"; from: string; path: string };

const decode = (pointer: string): string[] => (pointer === "" ? [] : pointer.slice(1).split("/").map((p) => p.replace(/~1/g, "/").replace(/~0/g, "~")));

function locate(doc: any, pointer: string): { parent: any; key: string } {
  const parts = decode(pointer);
  const key = parts.pop()!;
  const parent = parts.reduce((node, part) => {
    if (node === null || typeof node !== "object" || !(part in node)) throw new Error(`no such path: ${pointer}`);
    return node[part];
  }, doc);
  return { parent, key };
}
const get = (doc: any, pointer: string) => decode(pointer).reduce((node, part) => node?.[part], doc);

function apply<T>(document: T, operations: Operation[]): T {
  const doc: any = structuredClone(document);
  const add = (path: string, value: unknown) => {
    const { parent, key } = locate(doc, path);
    if (Array.isArray(parent)) parent.splice(key === "-" ? parent.length : Number(key), 0, value);
    else parent[key] = value;
  };
  const remove = (path: string) => {
    const { parent, key } = locate(doc, path);
    if (Array.isArray(parent)) return parent.splice(+key, 1)[0];
    const value = parent[key];
    if (!delete parent[key]) throw new Error("cannot delete");
    return value;
  };
  for (const [index, operation] of operations.entries()) {
    switch (operation.op) {
      case "add": add(operation.path, operation.value); break;
      case "remove": remove(operation.path); break;
      case "replace": { const { parent, key } = locate(doc, operation.path); parent[key] = operation.value; break; }
      case "move": add(operation.path, remove(operation.from)); break;
      case "copy": add(operation.path, structuredClone(get(doc, operation.from))); break;
      case "test":
        if (JSON.stringify(get(doc, operation.path)) !== JSON.stringify(operation.value)) throw new Error(`test failed at operation ${index}`);
    }
  }
  return doc;
}

const before = { title: "Draft", tags: ["a", "b"], meta: { "x/y": 1, views: 0 } };
const after = apply(before, [
  { op: "replace", path: "/title", value: "Final" },
  { op: "add", path: "/tags/1", value: "new" },
  { op: "add", path: "/tags/-", value: "last" },
  { op: "remove", path: "/meta/x~1y" },
  { op: "copy", from: "/tags", path: "/meta/copied" },
  { op: "move", from: "/title", path: "/meta/title" },
  { op: "test", path: "/tags/0", value: "a" },
]);
console.log(before, after);
for (const bad of [{ op: "test", path: "/title", value: "?" }, { op: "add", path: "/no/where", value: 1 }] as Operation[]) {
  try { apply(before, [bad]); } catch (e) { console.log((e as Error).message); }
}
