// Three summaries that a budget pays. Each one costs 0.05 USD. When the team has no money left, the program waits,
// and it continues when the budget is raised.
//
//   BUDGET=$(runstate budget create team-a --resource-type money --budget-period total --allocated-amount 0.1 \
//     --unit USD | awk '/^id / { print $2 }')
//   runstate load examples/budgeted.ts
//   runstate start budgeted --id b --input '{"owner": "team-a"}'
//   runstate work --kind cc --exec 'your-model --print'       # beside the others: two answers
//   runstate show b                                           # "the total budget of money does not have 0.05 USD"
//   runstate budget change $BUDGET --allocated-amount 1       # the worker gets the third question
//   runstate output b                                         # "3. "

const texts = ["The export is slow on Mondays.", "The editor forgets the last folder.", "The invoice lacks an address."];

function main() {
  const cost: CallCost = { owner: input.owner, resource: "money", amount: 0.05, unit: "USD", subtype: "claude_api" };
  const summaries = CC.all(texts.map((text) => ({ prompt: `Summarize in three words: ${text}`, cost })));
  summaries.forEach((summary, index) => console.log(`${index + 1}. ${summary}`));
  return summaries.length;
}
