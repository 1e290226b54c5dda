// answers: ["yes", "no", "maybe", "yes"]
type Vote = "yes" | "no";

async function vote(juror: string): Promise<Vote> {
  const answer = (await CC(`${juror}: is the claim true? yes or no`)).trim().toLowerCase();
  if (answer !== "yes" && answer !== "no") throw new Error(`${juror} did not vote: "${answer}"`);
  return answer;
}

async function main() {
  const jurors = ["Ann", "Bob", "Cid", "Dee"];
  const outcomes = await Promise.allSettled(jurors.map(vote));
  const tally = new Map<Vote, number>();
  outcomes.forEach((outcome, i) => {
    if (outcome.status === "fulfilled") tally.set(outcome.value, (tally.get(outcome.value) ?? 0) + 1);
    else console.warn(`${jurors[i]} failed: ${outcome.reason.message}`);
  });
  console.log(tally);
  const [winner, votes] = [...tally].sort(([, a], [, b]) => b - a)[0];
  const quorum = votes / jurors.length;
  console.log(`${winner} with ${votes} of ${jurors.length} (${(quorum * 100).toFixed(0)}%)`);
  console.log(outcomes.map((o) => o.status));
  return { winner, quorum, consensus: quorum > 0.5 };
}
