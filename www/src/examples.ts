// The examples of the page: a short one with two questions, and those of the project.

import agentLoop from "../../examples/agent_loop.ts?raw";
import approval from "../../examples/approval.ts?raw";
import codeReview from "../../examples/code_review.ts?raw";
import debate from "../../examples/debate.ts?raw";
import fanOut from "../../examples/fan_out.ts?raw";
import interview from "../../examples/interview.ts?raw";
import saga from "../../examples/saga.ts?raw";
import triage from "../../examples/triage.ts?raw";

export interface Example {
  name: string;
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

/** All examples, in the order in which they are shown. */
export const EXAMPLES: [Example, ...Example[]] = [
  { name: "review", about: "Two questions, ten lines", source: REVIEW },
  { name: "code_review", about: "Verdicts and notes on three functions", source: codeReview },
  { name: "interview", about: "Answers with a schema, and a deadline", source: interview },
  { name: "triage", about: "Twenty questions at once, a hundred in all", source: triage },
  { name: "agent_loop", about: "An agent with tools, retries and a limit", source: agentLoop },
  { name: "fan_out", about: "Twenty summaries at the same time, and one of all", source: fanOut },
  { name: "saga", about: "Bookings, cancelled in reverse order if one fails", source: saga },
  { name: "debate", about: "Three models discuss, a judge decides", source: debate },
  { name: "approval", about: "A deadline, a second person and a default", source: approval },
];

/** The new name of a source whose name was `name`. A changed example is renamed, so that it does not become a version
 * of the example. */
export function programName(source: string, name: string, examples: Pick<Example, "name" | "source">[]): string {
  const example = examples.find((one) => one.source === source);
  if (example !== undefined) return example.name;
  return examples.some((one) => one.name === name) ? `my-${name}` : name;
}
