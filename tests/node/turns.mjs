// Answers the questions of an execution that begin with `node`, and says all others, which somebody else answers meanwhile: `node turns.mjs
// PACKAGE URL`. Says the execution at its end, as JSON.

import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [place, url] = process.argv.slice(2);
const { open } = await import(new URL("dist/node.js", pathToFileURL(`${resolve(place)}/`)));
const say = (line) => writeSync(1, `${line}\n`);

const store = await open(url);
const run = await store.cvm.run("run");
for await (const question of run.questions()) {
  if (question.prompt.startsWith("node")) await question.answer(question.prompt.replace("node", "package"));
  else say(question.prompt);
}
say(JSON.stringify(await run.show()));
await store.close();
