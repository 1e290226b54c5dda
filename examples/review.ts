// review.ts
function main(): boolean {
  const verdicts: string[] = [];
  for (const file of ["parser.ts", "lexer.ts"]) {
    const verdict = ask(`Is ${file} ready to merge?`, { choices: ["yes", "no"] });
    console.log(`${file}: ${verdict}`);
    verdicts.push(verdict);
  }
  return verdicts.every((verdict) => verdict === "yes");
}
