class AppError extends Error {
  readonly code: string;
  readonly details: Record<string, unknown>;
  constructor(message: string, { code = "APP", details = {}, cause }: { code?: string; details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = this.constructor.name;
    this.code = code;
    this.details = details;
  }
  toJSON() {
    return { name: this.name, code: this.code, message: this.message, details: this.details };
  }
}
class NotFoundError extends AppError {
  constructor(what: string, id: string | number) {
    super(`${what} ${id} not found`, { code: "NOT_FOUND", details: { what, id } });
  }
}
class ConfigError extends AppError {}

function readConfig(text: string): { port: number } {
  try {
    const config = JSON.parse(text);
    if (typeof config.port !== "number") throw new TypeError("port must be a number");
    return config;
  } catch (cause) {
    throw new ConfigError("cannot read config", { code: "CONFIG", cause });
  }
}

function causes(error: unknown): string[] {
  const result: string[] = [];
  for (let e: any = error; e; e = e.cause) result.push(`${e.name}: ${e.message}`);
  return result;
}

for (const text of ['{"port": 80}', '{"port": "80"}']) {
  try {
    console.log(readConfig(text).port);
  } catch (error) {
    console.log(causes(error));
    console.log(error instanceof ConfigError, error instanceof AppError, error instanceof Error, Object.prototype.toString.call(error));
  }
}
try {
  throw new NotFoundError("user", 7);
} catch (e) {
  console.log(JSON.stringify(e), String(e), (e as NotFoundError).code);
}
const results = [new Error("plain"), "text", { message: "object" }, undefined].map((e) => (e instanceof Error ? e.message : typeof e));
console.log(results);
const aggregate = new AggregateError([new RangeError("r"), new NotFoundError("page", "x")], "two failed");
console.log(aggregate.errors.map((e) => e.name), aggregate.message);
