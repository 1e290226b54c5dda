// answers: ["A > B > C", "B > C > A", "C > B > A", "B > A > C", "A > C > B"]
type Ballot = string[];

function instantRunoff(ballots: Ballot[]): { winner: string; rounds: Record<string, number>[] } {
  const rounds: Record<string, number>[] = [];
  let candidates = [...new Set(ballots.flat())].sort();
  while (true) {
    const tally = Object.fromEntries(candidates.map((c) => [c, 0]));
    for (const ballot of ballots) {
      const choice = ballot.find((c) => candidates.includes(c));
      if (choice !== undefined) tally[choice]++;
    }
    rounds.push(tally);
    const [winner, votes] = Object.entries(tally).reduce((a, b) => (b[1] > a[1] ? b : a));
    if (votes * 2 > ballots.length || candidates.length === 1) return { winner, rounds };
    const fewest = Math.min(...Object.values(tally));
    candidates = candidates.filter((c) => tally[c] !== fewest);
    if (candidates.length === 0) throw new Error("tie");
  }
}

function borda(ballots: Ballot[]): [string, number][] {
  const points: { [candidate: string]: number } = {};
  ballots.forEach((ballot) => ballot.forEach((candidate, place) => { points[candidate] = (points[candidate] || 0) + ballot.length - 1 - place; }));
  return Object.entries(points).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

const agreement = (a: Ballot, b: Ballot): number => {
  let same = 0, pairs = 0;
  for (let i = 0; i < a.length; i++)
    for (let j = i + 1; j < a.length; j++, pairs++)
      if (b.indexOf(a[i]) < b.indexOf(a[j])) same++;
  return same / pairs;
};

async function main() {
  const judges = Array.from({ length: 5 }, (_, i) => `judge ${i + 1}`);
  const ballots = (await Promise.all(judges.map(async (judge) => CC(`${judge}: rank A, B, C`)))).map((text) => text.split(/\s*>\s*/));
  console.log(ballots.map((b) => b.join("")).join(" "));
  const { winner, rounds } = instantRunoff(ballots);
  console.log(winner, rounds);
  console.log(borda(ballots), agreement(ballots[0], ballots[1]).toFixed(2));
}
