type Graph = Record<string, Record<string, number>>;

function dijkstra(graph: Graph, source: string, target: string): { path: string[]; cost: number } | null {
  const cost = new Map<string, number>([[source, 0]]);
  const previous: Record<string, string> = {};
  const open = new Set(Object.keys(graph));
  while (open.size > 0) {
    const current = [...open].reduce((best, n) => ((cost.get(n) ?? Infinity) < (cost.get(best) ?? Infinity) ? n : best));
    if (!cost.has(current)) return null;
    if (current === target) break;
    open.delete(current);
    for (const [next, weight] of Object.entries(graph[current])) {
      const total = cost.get(current)! + weight;
      if (total < (cost.get(next) ?? Infinity)) {
        cost.set(next, total);
        previous[next] = current;
      }
    }
  }
  const path = [target];
  while (path[0] !== source) path.unshift(previous[path[0]]);
  return { path, cost: cost.get(target)! };
}

function topologicalSort(dependencies: Record<string, string[]>): string[] {
  const order: string[] = [];
  const state = new Map<string, "visiting" | "done">();
  const visit = (node: string, trail: string[]) => {
    if (state.get(node) === "done") return;
    if (state.get(node) === "visiting") throw new Error(`cycle: ${[...trail.slice(trail.indexOf(node)), node].join(" -> ")}`);
    state.set(node, "visiting");
    for (const dependency of dependencies[node] ?? []) visit(dependency, [...trail, node]);
    state.set(node, "done");
    order.push(node);
  };
  Object.keys(dependencies).forEach((node) => visit(node, []));
  return order;
}

function components(edges: [string, string][]): string[][] {
  const parent: Record<string, string> = {};
  const find = (x: string): string => (parent[x] === undefined || parent[x] === x ? x : (parent[x] = find(parent[x])));
  for (const [a, b] of edges) parent[find(a)] = find(b);
  const nodes = [...new Set(edges.flat())];
  const groups = new Map<string, string[]>();
  for (const node of nodes) groups.set(find(node), [...(groups.get(find(node)) ?? []), node]);
  return [...groups.values()];
}

const roads: Graph = { A: { B: 7, C: 3 }, B: { D: 2 }, C: { B: 1, D: 8 }, D: {}, E: { A: 1 } };
console.log(dijkstra(roads, "A", "D"), dijkstra(roads, "D", "A"));
console.log(topologicalSort({ app: ["ui", "api"], ui: ["core"], api: ["core", "db"], db: [], core: [] }));
try {
  topologicalSort({ a: ["b"], b: ["c"], c: ["b"] });
} catch ({ message }: any) {
  console.log(message);
}
console.log(components([["a", "b"], ["c", "d"], ["b", "e"]]));
