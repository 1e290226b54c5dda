class LRUCache<K, V> implements Iterable<[K, V]> {
  private map = new Map<K, V>();
  static readonly DEFAULT_SIZE = 3;

  constructor(private max: number = LRUCache.DEFAULT_SIZE, private onEvict?: (key: K, value: V) => void) {}

  get(key: K): V | undefined {
    if (!this.map.has(key)) return undefined;
    const value = this.map.get(key)!;
    this.map.delete(key);
    this.map.set(key, value);
    return value;
  }

  set(key: K, value: V): this {
    this.map.delete(key);
    this.map.set(key, value);
    if (this.map.size > this.max) {
      const oldest = this.map.keys().next().value as K;
      const evicted = this.map.get(oldest)!;
      this.map.delete(oldest);
      this.onEvict?.(oldest, evicted);
    }
    return this;
  }

  get size() { return this.map.size; }

  [Symbol.iterator](): Iterator<[K, V]> {
    return this.map[Symbol.iterator]();
  }
}

const evicted: string[] = [];
const cache = new LRUCache<string, number>(2, (k) => evicted.push(k));
cache.set("a", 1).set("b", 2);
cache.get("a");
cache.set("c", 3).set("d", 4);
console.log([...cache], evicted, cache.size);
console.log(cache.get("a"), cache.get("d"));
for (const [key, value] of cache) console.log(key, value);
console.log(Object.fromEntries(cache), LRUCache.DEFAULT_SIZE);
console.log(new Map(cache));
