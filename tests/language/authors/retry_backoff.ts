// answers: [{"status": 503}, {"status": 429}, {"status": 200, "body": "ok"}, {"status": 404}]
interface Response {
  status: number;
  body?: string;
}

class HttpError extends Error {
  constructor(readonly status: number, message = `HTTP ${status}`, options?: ErrorOptions) {
    super(message, options);
    this.name = "HttpError";
  }
  get retryable(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

interface RetryOptions {
  attempts?: number;
  baseMs?: number;
  maxMs?: number;
  onRetry?: (error: HttpError, delay: number) => void;
}

async function retry<T>(fn: (attempt: number) => Promise<T>, { attempts = 5, baseMs = 100, maxMs = 1_000, onRetry }: RetryOptions = {}): Promise<T> {
  let lastError: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      return await fn(attempt);
    } catch (error) {
      lastError = error;
      if (!(error instanceof HttpError) || !error.retryable) throw error;
      const delay = Math.min(maxMs, baseMs * 2 ** (attempt - 1));
      onRetry?.(error, delay);
      await sleep(delay);
    }
  }
  throw new Error(`gave up after ${attempts} attempts`, { cause: lastError });
}

async function get(url: string): Promise<string> {
  return retry(
    async () => {
      const response: Response = await call("fetch", { url });
      if (response.status !== 200) throw new HttpError(response.status);
      return response.body ?? "";
    },
    { onRetry: (e, ms) => console.log(`${url}: ${e.message}, retrying in ${ms} ms`) },
  );
}

async function main() {
  console.log(await get("https://example.com/a"));
  try {
    await get("https://example.com/missing");
  } catch (e) {
    console.log(e instanceof HttpError && e.status, (e as Error).message, `${e}`);
  }
}
