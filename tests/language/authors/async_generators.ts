// answers: [{"items": ["a", "b"], "next": 1}, {"items": ["c"], "next": 2}, {"items": [], "next": null}]
interface Page {
  items: string[];
  next: number | null;
}

async function* pages(resource: string): AsyncGenerator<Page> {
  let cursor: number | null = 0;
  while (cursor !== null) {
    const page: Page = await call("list", { resource, cursor });
    yield page;
    cursor = page.next;
  }
}

async function* items(resource: string): AsyncGenerator<string> {
  for await (const page of pages(resource)) yield* page.items;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const value of source) result.push(value);
  return result;
}

async function main() {
  const all = await collect(items("tickets"));
  console.log(all, all.length);
}
