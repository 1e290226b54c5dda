// Questions of every kind: text, choices, a schema, early answers, deadlines.
const got: unknown[] = [];
function note(what: string, ask: () => unknown) {
  try {
    const value = ask();
    got.push({ what, value, at: got.length });
    console.log(what, JSON.stringify(value === undefined ? null : value));
  } catch (e) {
    console.log(what, "caught", e.name, e.message);
  }
}
note("text", () => CC("what?"));
note("choice", () => CC("which?", { choices: ["yes", "no", "größer"] }));
note("number", () => CC("how many?", { schema: { type: "integer" } }));
for (let i = 0; i < 2; i++) note("keyed", () => CC("again?", { key: "k" }));
note("deadline", () => CC("by then?", { key: "x", timeoutMs: 40000, default: "over" }));
note("late", () => CC("soon?", { timeoutMs: 20000 }));
got;
