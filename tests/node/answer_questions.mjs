// Answers the questions of an execution that begin with `node` and prints all others, which another process answers. At the end it prints the
// execution as JSON. Run `node answer_questions.mjs PACKAGE URL`.

import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, url] = process.argv.slice(2);
const { open } = await import(new URL("dist/node.js", pathToFileURL(`${resolve(folder)}/`)));
const print = (line) => writeSync(1, `${line}\n`);

const store = await open(url);
const run = await store.run("run");
for await (const question of run.questions()) {
  if (question.prompt.startsWith("node")) await question.answer(question.prompt.replace("node", "package"));
  else print(question.prompt);
}
print(JSON.stringify(await run.show()));
await store.close();
