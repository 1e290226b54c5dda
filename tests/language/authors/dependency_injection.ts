interface Clock { now(): number }
interface Logger { log(message: string): void }
interface Mailer { send(to: string, subject: string): Promise<string> }

type Factory<T> = (c: Container) => T;
class Container {
  private factories = new Map<string, Factory<unknown>>();
  private singletons = new Map<string, unknown>();
  private resolving: string[] = [];

  register<T>(token: string, factory: Factory<T>): this {
    this.factories.set(token, factory);
    return this;
  }
  get<T>(token: string): T {
    if (this.singletons.has(token)) return this.singletons.get(token) as T;
    const factory = this.factories.get(token);
    if (!factory) throw new Error(`nothing is registered for "${token}"`);
    if (this.resolving.includes(token)) throw new Error(`cycle: ${[...this.resolving, token].join(" -> ")}`);
    this.resolving.push(token);
    try {
      const value = factory(this);
      this.singletons.set(token, value);
      return value as T;
    } finally {
      this.resolving.pop();
    }
  }
}

class Signup {
  constructor(private readonly mailer: Mailer, private readonly clock: Clock, private readonly logger: Logger) {}
  async register(email: string) {
    const id = await this.mailer.send(email, "Welcome");
    this.logger.log(`${email} registered at ${this.clock.now()} (${id})`);
  }
}

const lines: string[] = [];
const container = new Container()
  .register<Clock>("clock", () => ({ now: () => 1000 }))
  .register<Logger>("logger", () => ({ log: (m) => void lines.push(m) }))
  .register<Mailer>("mailer", (c) => {
    let sent = 0;
    const logger = c.get<Logger>("logger");
    return { send: async (to, subject) => { logger.log(`mail to ${to}: ${subject}`); return `mail-${++sent}`; } };
  })
  .register("signup", (c) => new Signup(c.get("mailer"), c.get("clock"), c.get("logger")))
  .register("a", (c) => c.get("b"))
  .register("b", (c) => c.get("a"));

async function main() {
  const signup = container.get<Signup>("signup");
  await signup.register("ada@example.com");
  await signup.register("bob@example.com");
  console.log(lines.join("\n"), container.get("signup") === signup);
  for (const token of ["a", "missing"]) {
    try { container.get(token); } catch (e) { console.log((e as Error).message); }
  }
}
