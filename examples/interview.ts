// An interview: answers with a schema, and a question whose deadline has a default answer.
//
//   runstate run examples/interview.ts
//   runstate run examples/interview.ts --answers examples/interview.answers.json
//   runstate run examples/interview.ts --answer-with 'your-model --print'

const person = {
  type: "object",
  required: ["name", "years"],
  additionalProperties: false,
  properties: {
    name: { type: "string", minLength: 1 },
    years: { type: "integer", minimum: 0, maximum: 70 },
  },
};

const skills = {
  type: "array",
  minItems: 1,
  maxItems: 5,
  items: { type: "string", pattern: "^[A-Za-z+# ]+$" },
};

interface Person {
  name: string;
  years: number;
}

function main() {
  const applicant: Person = CC("Who are you, and for how many years have you done this? (name, years)", { schema: person });
  console.log(`Hello ${applicant.name}.`);

  const languages: string[] = CC(`Which languages do you write, ${applicant.name}? Up to five.`, { schema: skills });
  console.log(`${languages.length} of them: ${languages.join(", ")}`);

  const level = applicant.years >= 10 ? "senior" : applicant.years >= 3 ? "regular" : "junior";
  const [hardest, start] = CC.all([
    `What was the hardest thing you have built in ${languages[0]}?`,
    { prompt: "When could you start?", choices: ["now", "in a month", "later"] },
  ]);
  console.log(`Noted (${hardest.length} characters). Start: ${start}`);

  // No answer within a day counts as no.
  const keep = CC("May we keep these notes?", { choices: ["yes", "no"], timeoutMs: 24 * 60 * 60 * 1000, default: "no" });
  if (keep === "no") {
    console.log("They are forgotten.");
    return { level, kept: false };
  }
  console.log("They are kept.");
  return { level, kept: true, notes: { ...applicant, languages, hardest, start } };
}
