// A heap that grows, in several slices; it fails at first, and may be retried.
const list: { j: number; text: string; before: unknown }[] = [];
let tries = 0;
for (let round = 0; round < 3; round++) {
  for (let j = 0; j < 120; j++) {
    const before = j > 0 && j % 10 !== 0 ? list[j - 1] : null;
    list[j] = { j, text: `text ${j} of ${round}`, before };
  }
  tries += 1;
  console.log("round", round, list.length, tries);
  if (round === 1) JSON.parse(CC("something to parse?", { key: "n" }));
  list[7].text = String(CC(`round ${round}?`));
}
const map = new Map(list.map((one) => [one.text, one.j]));
console.log(map.size, [...map.keys()].slice(0, 3).join("|"));
