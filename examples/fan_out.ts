// Twenty files, summarized at the same time, and then one summary of all. Each file is a task of its own: it asks for
// its summary, and asks again if the answer is too long, while the others continue.
//
//   runstate run examples/fan_out.ts --answers examples/fan_out.answers.json
//   runstate run examples/fan_out.ts --input '{"folder": "."}' --allow-read docs --answer-with 'your-model --print'
//   runstate load examples/fan_out.ts && runstate start fan_out
//   runstate work --kind cc --exec 'your-model --print' --concurrency 8      # answers eight questions at a time
//
// Kill it at any moment: summaries that were answered are kept, and only the others are asked for.

interface SourceFile {
  name: string;
  text: string;
}

interface Summary {
  name: string;
  text: string;
}

const MAX_FILES = 20;
const MAX_CHARACTERS = 60;

const areas = ["parser", "lexer", "store", "network"];
const changes = ["adds a cache", "removes a lock", "handles empty files", "reports errors", "has tests"];

/** Returns the files of the sample: every area with every change. */
function sample(): SourceFile[] {
  return areas.flatMap((area) =>
    changes.map((change, index) => ({
      name: `${area}-${index + 1}.md`,
      text: `The ${area} ${change}.\nIt was changed on day ${index + 1}, and is used by ${areas.filter((other) => other !== area).join(", ")}.`,
    })),
  );
}

/** Returns the files of a folder that was granted. A file that cannot be read is omitted. */
async function read(folder: string): Promise<SourceFile[]> {
  const names = fs.listFiles(folder).filter((name) => !name.endsWith("/"));
  const files = await Promise.allSettled(
    names.slice(0, MAX_FILES).map(async (name) => ({ name, text: await fs.readFile(`${folder}/${name}`) })),
  );
  return files.flatMap((file) => (file.status === "fulfilled" ? [file.value] : []));
}

async function summarize(file: SourceFile): Promise<Summary> {
  const question = `Summarize ${file.name} in at most ${MAX_CHARACTERS} characters:\n${file.text}`;
  let text = (await CC(question)).trim();
  if (text.length > MAX_CHARACTERS) {
    text = (await CC(`Too long: ${text.length} characters. ${question}`)).trim().slice(0, MAX_CHARACTERS);
  }
  return { name: file.name, text };
}

async function main() {
  const files = input?.folder === undefined ? sample() : await read(input.folder);
  console.log(`${files.length} files`);

  const summaries = await Promise.all(files.map(async (file) => await summarize(file)));

  const width = Math.max(...summaries.map((summary) => summary.name.length));
  const list = summaries.map((summary) => `${summary.name.padEnd(width)}  ${summary.text}`).join("\n");
  console.log(list);

  const combined = CC(`Write one sentence about all of these changes:\n${list}`);
  console.log("");
  console.log(combined);
  return { files: files.length, combined };
}
