type AccountEvent =
  | { readonly type: "opened"; readonly owner: string }
  | { readonly type: "deposited" | "withdrawn"; readonly amount: number }
  | { readonly type: "closed"; readonly reason?: string };

interface Account { owner: string; balance: number; status: "open" | "closed"; version: number }

type Handlers = { [T in AccountEvent["type"]]: (state: Account, event: Extract<AccountEvent, { type: T }>) => Partial<Account> };

const handlers = {
  opened: (_, { owner }: any) => ({ owner, status: "open" }),
  deposited: ({ balance }, { amount }: any) => ({ balance: balance + amount }),
  withdrawn: ({ balance }, { amount }: any) => ({ balance: balance - amount }),
  closed: () => ({ status: "closed" }),
} as Handlers;

const initial: Account = Object.freeze({ owner: "", balance: 0, status: "open", version: 0 });
const evolve = (state: Account, event: AccountEvent): Account => ({ ...state, ...(handlers[event.type] as any)(state, event), version: state.version + 1 });
const replay = (events: readonly AccountEvent[]) => events.reduce(evolve, initial);

class Ledger {
  private readonly streams = new Map<string, AccountEvent[]>();
  private subscribers: ((id: string, event: AccountEvent) => void)[] = [];
  subscribe(fn: (id: string, event: AccountEvent) => void) { this.subscribers.push(fn); }
  load(id: string) { return replay(this.streams.get(id) ?? []); }
  append(id: string, expected: number, ...events: AccountEvent[]) {
    const stream = this.streams.get(id) ?? [];
    if (stream.length !== expected) throw new Error(`conflict on ${id}: expected version ${expected}, is ${stream.length}`);
    this.streams.set(id, stream.concat(events));
    events.forEach((event) => this.subscribers.forEach((notify) => notify(id, event)));
  }
  at(id: string, version: number) { return replay(this.streams.get(id)!.slice(0, version)); }
}

const ledger = new Ledger();
const totals: Partial<Record<AccountEvent["type"], number>> = {};
ledger.subscribe((_, { type }) => { totals[type] = (totals[type] ?? 0) + 1; });
ledger.append("acc-1", 0, { type: "opened", owner: "Ada" }, { type: "deposited", amount: 100 });
ledger.append("acc-1", 2, { type: "withdrawn", amount: 30.25 });
try {
  ledger.append("acc-1", 2, { type: "closed" });
} catch (e) {
  console.log((e as Error).message);
}
ledger.append("acc-1", 3, { type: "closed", reason: "moved" });
console.log(ledger.load("acc-1"), ledger.at("acc-1", 2).balance);
console.log(totals, ledger.load("missing") === initial);
