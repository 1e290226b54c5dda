// A code review, question by question. It shows each part of a small sample, or each file of a folder, asks for a
// verdict, and prints a summary at the end.
//
//   runstate run examples/code_review.ts
//   runstate run examples/code_review.ts --answers examples/code_review.answers.json
//   runstate run examples/code_review.ts --input '{"folder": "."}' --allow-read src
//
// A program can read files only in folders that were granted to it.
//
// Stop it at any question (ctrl-c, or kill the process): `runstate resume ID` continues exactly there.

interface Part {
  title: string;
  code: string[];
}

interface Finding {
  title: string;
  verdict: string;
  note: string;
}

const VERDICTS = ["approve", "comment", "request changes"];

const sample: Part[] = [
  {
    title: "parsePrice",
    code: ["function parsePrice(text) {", "  return parseInt(text) * 100", "}"],
  },
  {
    title: "discount",
    code: ["function discount(price, percent) {", "  return price - price * percent / 100", "}"],
  },
  {
    title: "total",
    code: [
      "function total(items) {",
      "  let sum = 0",
      "  for (let i = 0; i <= items.length; i++) sum += items[i].price",
      "  return sum",
      "}",
    ],
  },
];

/** The maximum number of shown lines of a file. */
const LINES = 40;

/** Returns the text files of a folder. */
function files(folder: string): Part[] {
  const parts: Part[] = [];
  for (const name of fs.listFiles(folder)) {
    if (name.endsWith("/")) continue;
    try {
      const lines = fs.readFile(`${folder}/${name}`).split("\n");
      const more = lines.length > LINES ? [`… ${lines.length - LINES} more lines`] : [];
      parts.push({ title: name, code: [...lines.slice(0, LINES), ...more] });
    } catch (error) {
      console.log(`${name} is omitted: ${(error as Error).message}`);
    }
  }
  return parts;
}

/** Finds a few patterns that are often wrong, as a linter would before a person reads the code. */
function hints(part: Part): string[] {
  const found: string[] = [];
  part.code.forEach((line, index) => {
    if (line.includes("parseInt(")) found.push(`line ${index + 1}: parseInt drops the digits after the point`);
    if (line.includes("<= ") && line.includes(".length")) found.push(`line ${index + 1}: runs one element too far`);
  });
  return found;
}

function show(part: Part, number: number, count: number): void {
  console.log("");
  console.log(`[${number}/${count}] ${part.title}`);
  part.code.forEach((line, index) => console.log(`  ${index + 1} | ${line}`));
  for (const hint of hints(part)) console.log(`  ! ${hint}`);
}

/** Asks for a verdict, and for a reason unless the part is approved. */
function review(part: Part, number: number, count: number): Finding {
  show(part, number, count);
  const verdict = CC(`What about ${part.title}?`, { choices: VERDICTS });
  let note = "";
  if (verdict !== "approve") {
    note = CC(`What should the author know about ${part.title}?`).trim();
    if (note === "") throw new Error(`${part.title}: "${verdict}" needs a reason`);
  }
  return { title: part.title, verdict, note };
}

function main(): { verdict: string; findings: Finding[] } {
  const folder: string | undefined = input?.folder;
  const parts = folder === undefined ? sample : files(folder);
  const subject = folder === undefined ? "a sample" : `the folder ${folder}`;
  console.log(`Review of ${subject}: ${parts.map((part) => part.title).join(", ")}`);
  const findings: Finding[] = [];
  for (let i = 0; i < parts.length; i++) {
    try {
      findings.push(review(parts[i], i + 1, parts.length));
    } catch (error) {
      // Without a reason the verdict counts as a comment, and the review continues.
      console.log(`  (${(error as Error).message})`);
      findings.push({ title: parts[i].title, verdict: "comment", note: "no reason given" });
    }
  }

  const counts: Record<string, number> = {};
  for (const finding of findings) counts[finding.verdict] = (counts[finding.verdict] || 0) + 1;

  console.log("");
  console.log("Summary");
  for (const verdict of VERDICTS) {
    if (counts[verdict]) console.log(`  ${counts[verdict]} × ${verdict}`);
  }
  for (const finding of findings) {
    if (finding.note !== "") console.log(`  - ${finding.title}: ${finding.note}`);
  }

  const blocked = findings.some((finding) => finding.verdict === "request changes");
  const suggested = blocked ? "hold back" : "merge";
  const decision = CC(`I would ${suggested}. Your decision?`, { choices: ["merge", "hold back"] });
  console.log("");
  console.log(decision === "merge" ? "Merged." : "Held back until it is changed.");
  return { verdict: decision, findings };
}
