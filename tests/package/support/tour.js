// The tour of the package that each project runs: it loads a program (which needs the compiler), answers its question, and closes the store.

/** The result of the tour on every host. */
export const OUTPUT = "complete Hello, Ada!";

const PROGRAM = 'const name = CC("Who is there?");\nconsole.log(`Hello, ${name}!`);\n';

const BODY = `
async function tour(url) {
  const rs = await open(url);
  await rs.load({ name: "greet", source: ${JSON.stringify(PROGRAM)} });
  const run = await rs.start("greet");
  for await (const question of run.questions()) await question.answer("Ada");
  const outcome = [run.status, ...(await run.output())].join(" ");
  await rs.close();
  return outcome;
}
`;

/** The tour as a module. */
export const esm = (then) => `import { open } from "runstate";\n${BODY}\n${then}\n`;

/** The tour as a module over `runstate/slim`, which `begin` initializes. */
export const slim = (begin, then) => `import { init, open } from "runstate/slim";\n${begin}\n${BODY}\n${then}\n`;

/** The tour with `require`. */
export const cjs = (then) => `const { open } = require("runstate");\n${BODY}\n${then}\n`;
