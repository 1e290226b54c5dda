const union = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>) => new Set([...a, ...b]);
const intersection = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>) => new Set([...a].filter((x) => b.has(x)));
const difference = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>) => new Set([...a].filter((x) => !b.has(x)));

const skills: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({ ann: ["ts", "rust", "sql"], bob: ["ts", "go"], cid: ["sql", "go", "rust"] }).map(([name, list]) => [name, new Set(list)]),
);
const required = new Set(["rust", "sql"]);
for (const [name, own] of skills) {
  const missing = difference(required, own);
  console.log(name, missing.size === 0 ? "fits" : `lacks ${[...missing].join(" and ")}`);
}
console.log(union(skills.get("ann")!, skills.get("bob")!));
console.log(intersection(skills.get("ann")!, skills.get("cid")!));

const index = new Map<string, Set<string>>();
skills.forEach((own, name) => own.forEach((skill) => index.set(skill, (index.get(skill) ?? new Set()).add(name))));
console.log(index);
console.log([...index.entries()].map(([skill, people]) => `${skill}=${people.size}`).sort());
const byCount = [...index].sort((a, b) => b[1].size - a[1].size || a[0].localeCompare(b[0])).map(([s]) => s);
console.log(byCount, index.delete("go"), index.has("go"), new Set("mississippi").size);
const seen = new WeakSet<object>();
const node = { name: "root" };
seen.add(node);
console.log(seen.has(node), seen.has({ name: "root" }));
