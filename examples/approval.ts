// An approval with a deadline. A first person is asked; if no answer arrives in time, or the answer is "pass on", a
// second person is asked; if that deadline passes too, a default decides.
//
//   runstate run examples/approval.ts
//   runstate run examples/approval.ts --answers examples/approval.answers.json
//   runstate run examples/approval.ts --input '{"amount": 90, "hours": 0.001}'   # the deadlines pass
//
// A deadline passes also while the program does not run: after a restart, `runstate resume ID` or `runstate tick`
// continues behind it.

interface Expense {
  employee: string;
  what: string;
  amount: number;
}

interface Decision {
  approved: boolean;
  by: string;
  note: string;
}

const HOUR_MS = 3_600_000;
/** An expense up to this amount is approved if the second deadline passes. */
const SMALL = 100;

const format = (expense: Expense): string => `${expense.employee}: ${expense.what}, ${expense.amount.toFixed(2)} EUR`;

/** Asks a person. Returns undefined if the person passes it on. */
function ask(person: string, expense: Expense, timeoutMs: number): Decision | undefined {
  const answer = CC(`${person}, do you approve "${format(expense)}"?`, {
    choices: ["approve", "reject", "pass on"],
    key: `approval-${person}`,
    timeoutMs,
  });
  if (answer === "pass on") return undefined;
  if (answer === "approve") return { approved: true, by: person, note: "" };
  // The reason may take as long as it takes: there is a default, and no error.
  const note = CC(`${person}, why not?`, { timeoutMs, default: "no reason given" });
  return { approved: false, by: person, note };
}

/** Asks each person in turn, and notes who did not answer. */
function escalate(people: string[], expense: Expense, timeoutMs: number): Decision | undefined {
  for (const person of people) {
    try {
      const decision = ask(person, expense, timeoutMs);
      if (decision !== undefined) return decision;
      console.log(`  ${person} passes it on`);
    } catch (error) {
      // Everything but a missed deadline is an error of the program.
      if (!(error instanceof TimeoutError)) throw error;
      console.log(`  ${person} did not answer in time`);
    }
  }
  return undefined;
}

function main(): Decision {
  const expense: Expense = { employee: "Ada", what: "a desk", amount: 480, ...input?.expense };
  if (input?.amount !== undefined) expense.amount = input.amount;
  const timeoutMs = Math.ceil((input?.hours ?? 24) * HOUR_MS);
  console.log(format(expense));

  const small = expense.amount <= SMALL;
  const decision = escalate(["Grace", "Linus"], expense, timeoutMs) ?? {
    approved: small,
    by: "default",
    note: small ? "it is small" : "it is too much to approve without an answer",
  };
  console.log(`${decision.approved ? "Approved" : "Rejected"} by ${decision.by}${decision.note && `: ${decision.note}`}`);
  return decision;
}
