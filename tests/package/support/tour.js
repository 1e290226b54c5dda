// What each project does with the package: loads a program (so that the compiler is found), asks, answers, prints, closes.

/** What it prints, whatever it runs in. */
export const SAID = "complete Hello, Ada!";

const PROGRAM = 'const name = CC("Who is there?");\nconsole.log(`Hello, ${name}!`);\n';

const BODY = `
async function tour(url) {
  const rs = await open(url);
  await rs.cvm.load({ name: "greet", source: ${JSON.stringify(PROGRAM)} });
  const run = await rs.cvm.start("greet");
  for await (const question of run.questions()) await question.answer("Ada");
  const said = [run.status, ...(await run.output())].join(" ");
  await rs.close();
  return said;
}
`;

/** As a module. */
export const esm = (then) => `import { open } from "runstate";\n${BODY}\n${then}\n`;

/** As a module that begins the package by `runstate/slim` first, with what `begin` says. */
export const slim = (begin, then) => `import { init, open } from "runstate/slim";\n${begin}\n${BODY}\n${then}\n`;

/** For `require`. */
export const cjs = (then) => `const { open } = require("runstate");\n${BODY}\n${then}\n`;
