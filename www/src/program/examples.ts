// The examples of the page: a short one with two questions, and those of the project.

const files = import.meta.glob<string>("../../../examples/*.ts", { query: "?raw", import: "default", eager: true });

export interface Example {
  /** The name of the program. */
  name: string;
  /** A short description. */
  about: string;
  source: string;
}

const REVIEW = `// The program waits at each CC until it is answered, for as long as that takes.

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
  interview: "Answers with a schema, and a deadline",
  triage: "Twenty questions at once, a hundred in all",
};

/** All examples, in the order in which they are shown. */
export const EXAMPLES: Example[] = [
  { name: "review", about: "Two questions, ten lines", source: REVIEW },
  ...projectExamples(),
];

function projectExamples(): Example[] {
  const found = Object.entries(files).map(([path, source]) => ({ name: exampleName(path), source }));
  return found
    .filter(({ name }) => !name.includes("."))
    .map(({ name, source }) => ({ name, source, about: ABOUT[name] ?? "" }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The name of an example: `triage` for `examples/triage.ts`. Declarations (`runstate.d.ts`) keep a dot in their name. */
function exampleName(path: string): string {
  return (path.split("/").pop() ?? path).replace(/\.ts$/, "");
}
