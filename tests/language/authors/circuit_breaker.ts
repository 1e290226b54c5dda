enum BreakerState { Closed = "CLOSED", Open = "OPEN", HalfOpen = "HALF_OPEN" }

class CircuitBreaker<A extends unknown[], R> {
  private failures = 0;
  private openedAt = -Infinity;
  private _state = BreakerState.Closed;
  public onChange: (from: BreakerState, to: BreakerState) => void = () => {};

  constructor(private readonly action: (...args: A) => Promise<R>, private readonly clock: () => number, private readonly options = { threshold: 2, resetMs: 1000 }) {}

  get state() { return this._state; }
  private set state(value: BreakerState) {
    if (value !== this._state) this.onChange(this._state, value);
    this._state = value;
  }

  async fire(...args: A): Promise<R> {
    if (this.state === BreakerState.Open) {
      if (this.clock() - this.openedAt < this.options.resetMs) throw new Error("circuit is open");
      this.state = BreakerState.HalfOpen;
    }
    try {
      const result = await this.action(...args);
      this.failures = 0;
      this.state = BreakerState.Closed;
      return result;
    } catch (error) {
      if (++this.failures >= this.options.threshold || this.state === BreakerState.HalfOpen) {
        this.openedAt = this.clock();
        this.state = BreakerState.Open;
      }
      throw error;
    }
  }
}

async function main() {
  let now = 0;
  const breaker = new CircuitBreaker(async (n: number) => {
    if (n < 0) throw new RangeError(`negative: ${n}`);
    return Math.sqrt(n);
  }, () => now);
  breaker.onChange = (from, to) => console.log(`  ${now}: ${from} -> ${to}`);
  for (const [at, n] of [[0, 4], [10, -1], [20, -2], [30, 9], [1100, -3], [1200, 16], [2200, 16], [2300, 25]]) {
    now = at;
    await breaker.fire(n).then(
      (value) => console.log(`${at}: ok ${value}`),
      (error: Error) => console.log(`${at}: ${error.name} ${error.message}`),
    );
  }
  console.log(breaker.state, Object.values(BreakerState), Object.keys(BreakerState));
}
