// Reads lists that the engine returns in pages.

/** The largest number of items in a page. The browser can run other tasks between pages. */
const PAGE_SIZE = 500;

/** Reads at most `limit` items of a list. */
export async function readPages<T>(
  read: (options: { limit: number; cursor?: string }) => Promise<{ items: T[]; next?: string }>,
  limit: number,
): Promise<T[]> {
  let page = await read({ limit: Math.min(PAGE_SIZE, limit) });
  const items = page.items;
  while (page.next !== undefined && items.length < limit) {
    page = await read({ limit: Math.min(PAGE_SIZE, limit - items.length), cursor: page.next });
    items.push(...page.items);
  }
  return items;
}
