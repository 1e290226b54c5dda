type State = "draft" | "review" | "published" | "archived";
type Action = { type: "submit" } | { type: "approve"; by: string } | { type: "reject"; reason: string } | { type: "archive" };

const transitions = {
  draft: { submit: "review", archive: "archived" },
  review: { approve: "published", reject: "draft" },
  published: { archive: "archived" },
  archived: {},
} as const satisfies Record<State, Partial<Record<Action["type"], State>>>;

class InvalidTransition extends Error {
  constructor(public readonly state: State, public readonly action: Action["type"]) {
    super(`Cannot ${action} in state ${state}`);
    this.name = new.target.name;
  }
}

function next(state: State, action: Action): State {
  const target = (transitions[state] as Partial<Record<Action["type"], State>>)[action.type];
  if (!target) throw new InvalidTransition(state, action.type);
  return target;
}

function describe(action: Action): string {
  switch (action.type) {
    case "approve":
      return `approved by ${action.by}`;
    case "reject":
      return `rejected: ${action.reason}`;
    case "submit":
    case "archive":
      return action.type;
    default: {
      const never: never = action;
      throw new Error(`unexpected ${JSON.stringify(never)}`);
    }
  }
}

let state: State = "draft";
const actions: Action[] = [
  { type: "submit" },
  { type: "reject", reason: "typos" },
  { type: "approve", by: "eve" },
  { type: "submit" },
  { type: "approve", by: "ann" },
  { type: "archive" },
];
for (const action of actions) {
  try {
    const before = state;
    state = next(state, action);
    console.log(`${before} -> ${state} (${describe(action)})`);
  } catch (e) {
    if (!(e instanceof InvalidTransition)) throw e;
    console.log(`${e.name}: ${e.message}`, e.state, e.action);
  }
}
console.log(Object.entries(transitions).map(([from, to]) => `${from}: ${Object.values(to).join("|") || "-"}`).join("; "));
