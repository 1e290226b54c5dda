// The examples that the page offers: one of its own that is over in two answers, and the project's.

const files = import.meta.glob<string>("../../../examples/*.ts", { query: "?raw", import: "default", eager: true });

export interface Example {
  /** The program's name. */
  name: string;
  /** What it is, in a few words. */
  about: string;
  source: string;
}

const REVIEW = `// It stops at each CC and keeps its place, for as long as it takes.

function main() {
  const verdicts = [];
  for (const file of ["parser.ts", "lexer.ts"]) {
    const verdict = CC(\`Is \${file} ready to merge?\`, { choices: ["yes", "no"] });
    console.log(\`\${file}: \${verdict}\`);
    verdicts.push(verdict);
  }
  return verdicts.every((v) => v === "yes") ? "merge both" : "not yet";
}
`;

const ABOUT: Record<string, string> = {
  code_review: "Verdicts and notes on three functions",
  interview: "Answers with a shape; a deadline",
  triage: "Twenty questions at once, a hundred in all",
};

/** In the order in which they are offered. */
export const EXAMPLES: Example[] = [
  { name: "review", about: "Two questions, ten lines", source: REVIEW },
  ...ofProject(),
];

function ofProject(): Example[] {
  const found = Object.entries(files).map(([path, source]) => ({ name: nameOf(path), source }));
  return found
    .filter(({ name }) => !name.includes("."))
    .map(({ name, source }) => ({ name, source, about: ABOUT[name] ?? "" }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `examples/triage.ts` is `triage`; declarations (`runstate.d.ts`) keep a dot. */
function nameOf(path: string): string {
  return (path.split("/").pop() ?? path).replace(/\.ts$/, "");
}
