interface Person { name: string; city: string; born: number; score?: number }
const people: Person[] = [
  { name: "Émile", city: "Paris", born: 1990, score: 3 },
  { name: "adam", city: "Berlin", born: 1985 },
  { name: "Zoë", city: "Amsterdam", born: 1990, score: 9 },
  { name: "Bea", city: "berlin", born: 2001, score: 9 },
  { name: "Ángel", city: "Madrid", born: 1985, score: 0 },
];

type Key<T> = (item: T) => string | number | undefined;
function compareBy<T>(...keys: (Key<T> | [Key<T>, "desc"])[]) {
  return (a: T, b: T): number => {
    for (const entry of keys) {
      const [key, direction] = Array.isArray(entry) ? [entry[0], -1] : [entry, 1];
      const x = key(a), y = key(b);
      if (x === y) continue;
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      const order = typeof x === "string" ? x.localeCompare(y as string) : x - (y as number);
      if (order !== 0) return order * direction;
    }
    return 0;
  };
}

console.log(people.map((p) => p.name).sort());
console.log(people.map((p) => p.name).sort((a, b) => a.localeCompare(b)));
console.log([...people].sort(compareBy((p) => p.born, (p) => p.name)).map((p) => `${p.born} ${p.name}`));
console.log(people.toSorted(compareBy<Person>([(p) => p.score, "desc"], (p) => p.city.toLowerCase())).map((p) => p.name));
console.log(["file10", "file9", "file1"].sort(), ["file10", "file9", "file1"].sort((a, b) => a.localeCompare(b, undefined, { numeric: true })));
console.log([10, 9, 1, 100].sort(), [10, 9, 1, 100].sort((a, b) => a - b), [3, undefined, 1].sort());
