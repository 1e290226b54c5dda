// A code review, question by question. Each part of a small sample, or each file of a folder, is shown and judged; the review is summed up
// in the end.
//
//   runstate run examples/code_review.ts
//   runstate run examples/code_review.ts --answers examples/code_review.answers.json
//   runstate run examples/code_review.ts --input '{"folder": "."}' --allow-read src
//
// A program reads no files but those of folders that it was granted.
//
// Stop it at any question (ctrl-c, or kill the process): `runstate resume ID` goes on exactly there.

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

/** Longest part of a file that is shown. */
const LINES = 40;

/** The files of a folder, as far as they are texts that can be read. */
function files(folder: string): Part[] {
  const parts: Part[] = [];
  for (const name of fs.listFiles(folder)) {
    if (name.endsWith("/")) continue;
    try {
      const lines = fs.readFile(`${folder}/${name}`).split("\n");
      const more = lines.length > LINES ? [`… ${lines.length - LINES} more lines`] : [];
      parts.push({ title: name, code: [...lines.slice(0, LINES), ...more] });
    } catch (error) {
      console.log(`${name} is left out: ${(error as Error).message}`);
    }
  }
  return parts;
}

/** What a tool would say before a person looks: a few patterns that are often wrong. */
function hints(part: Part): string[] {
  const found: string[] = [];
  part.code.forEach((line, index) => {
    if (line.includes("parseInt(")) found.push(`line ${index + 1}: parseInt drops what stands behind the point`);
    if (line.includes("<= ") && line.includes(".length")) found.push(`line ${index + 1}: runs one element too far`);
  });
  return found;
}

function show(part: Part, number: number, of: number): void {
  console.log("");
  console.log(`[${number}/${of}] ${part.title}`);
  part.code.forEach((line, index) => console.log(`  ${index + 1} | ${line}`));
  for (const hint of hints(part)) console.log(`  ! ${hint}`);
}

/** Asks for a verdict, and for words where there is something to say. */
function review(part: Part, number: number, of: number): Finding {
  show(part, number, of);
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
  const what = folder === undefined ? "a sample" : `the folder ${folder}`;
  console.log(`Review of ${what}: ${parts.map((part) => part.title).join(", ")}`);
  const findings: Finding[] = [];
  for (let i = 0; i < parts.length; i++) {
    try {
      findings.push(review(parts[i], i + 1, parts.length));
    } catch (error) {
      // Without a reason it counts as a comment, and the review goes on.
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
