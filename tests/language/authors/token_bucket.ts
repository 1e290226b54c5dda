class TokenBucket {
  private tokens: number;
  private last = 0;

  constructor(private readonly capacity: number, private readonly refillPerSecond: number) {
    this.tokens = capacity;
  }

  take(now: number, cost = 1): boolean {
    const elapsed = (now - this.last) / 1000;
    this.tokens = Math.min(this.capacity, this.tokens + elapsed * this.refillPerSecond);
    this.last = now;
    if (this.tokens < cost) return false;
    this.tokens -= cost;
    return true;
  }

  get available(): number {
    return Math.floor(this.tokens);
  }

  toString() {
    return `TokenBucket(${this.available}/${this.capacity})`;
  }
}

const bucket = new TokenBucket(3, 1);
const requests: Array<[at: number, cost?: number]> = [[0], [100], [200], [300], [1500], [1600, 2], [5000, 3]];
for (const [at, cost] of requests) {
  const ok = bucket.take(at, cost);
  console.log(`${String(at).padStart(5)} ms  cost ${cost ?? 1}  ${ok ? "allowed" : "limited"}  ${bucket}`);
}
console.log(bucket);
console.log(bucket.available, `${bucket}`.length);
