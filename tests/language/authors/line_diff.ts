type Change = { op: "+" | "-" | " "; line: string };

function diff(before: string[], after: string[]): Change[] {
  const lcs: number[][] = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lcs[i][j] = before[i] === after[j] ? lcs[i + 1][j + 1] + 1 : Math.max(lcs[i + 1][j], lcs[i][j + 1]);
    }
  }
  const changes: Change[] = [];
  let i = 0, j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) changes.push({ op: " ", line: before[i++] }), j++;
    else if (j >= after.length || (i < before.length && lcs[i + 1][j] >= lcs[i][j + 1])) changes.push({ op: "-", line: before[i++] });
    else changes.push({ op: "+", line: after[j++] });
  }
  return changes;
}

const before = `import a
import b

function run() {
  a();
}`.split("\n");
const after = `import a
import c

function run() {
  a();
  c();
}`.split("\n");
const changes = diff(before, after);
for (const { op, line } of changes) console.log(op + " " + line);
const { added, removed } = changes.reduce(
  (acc, { op }) => ({ added: acc.added + +(op === "+"), removed: acc.removed + +(op === "-") }),
  { added: 0, removed: 0 },
);
console.log(`${added} insertion${added === 1 ? "" : "s"}(+), ${removed} deletion${removed !== 1 ? "s" : ""}(-)`);
