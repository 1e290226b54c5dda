// Writes the tables of `String.prototype.normalize` (crates/vm/src/natives/normalization.rs) from those of Node.
import { writeFileSync } from "node:fs";

const points = (text) => [...text].map((one) => one.codePointAt(0));
const text = (list) => String.fromCodePoint(...list);
const all = Array.from({ length: 0x110000 }, (_, point) => point).filter((point) => (point < 0xd800 || point > 0xdfff) && (point < 0xac00 || point > 0xd7a3));
const bytes = [];

function number(value) {
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(128 | (value & 127));
  bytes.push(value);
}
const signed = (value) => number(value < 0 ? -2 * value - 1 : 2 * value);

// Marks with a combining class other than 0. Only the order of the classes matters, so each gets its rank.
const swaps = (left, right) => text([0x61, left, right]).normalize("NFD") !== text([0x61, left, right]);
const marks = all.filter((point) => text([point]).normalize("NFD") === text([point]) && (point === 0x345 || swaps(0x345, point)));
const classes = [];
for (const mark of marks) {
  if (classes.some(([one]) => !swaps(one, mark) && !swaps(mark, one))) continue;
  const place = classes.findIndex(([one]) => swaps(one, mark));
  classes.splice(place < 0 ? classes.length : place, 0, [mark]);
}
const rank = (mark) => 1 + classes.findIndex(([one]) => !swaps(one, mark) && !swaps(mark, one));
const runs = [];
for (const mark of marks) {
  const last = runs.at(-1);
  if (last && last.start + last.length === mark && last.rank === rank(mark)) last.length++;
  else runs.push({ start: mark, length: 1, rank: rank(mark) });
}
number(runs.length);
let end = 0;
for (const { start, length, rank } of runs) {
  number(start - end);
  number(length);
  number(rank);
  end = start + length;
}
const markBytes = bytes.length;

// Mappings: 0 a pair that is composed again, 1 a canonical decomposition, 2 a compatible one.
const records = [];
for (const point of all) {
  const own = text([point]);
  const full = points(own.normalize("NFD"));
  let [kind, targets] = [2, points(own.normalize("NFKD"))];
  if (own.normalize("NFD") !== own) {
    [kind, targets] = [1, full];
    if (own.normalize("NFC") === own) [kind, targets] = [0, [...points(text(full.slice(0, -1)).normalize("NFC")), full.at(-1)]];
    if (kind === 0 && targets.length !== 2) throw new Error(`U+${point.toString(16)}`);
  } else if (targets[0] === point && targets.length === 1) continue;
  const last = records.at(-1);
  const follows = last && last.point + last.count === point && last.kind === kind && last.targets.length === 1 && targets.length === 1;
  if (follows && last.targets[0] + last.count === targets[0]) last.count++;
  else records.push({ point, kind, targets, count: 1 });
}
end = 0;
const previous = [];
for (const { point, kind, targets, count } of records) {
  number((point - end) * 3 + kind);
  if (kind > 0) number(targets.length + 32 * (count - 1));
  targets.forEach((target, index) => {
    signed(target - (previous[index] ?? 0));
    previous[index] = target + (index === 0 ? count - 1 : 0);
  });
  end = point + count;
}
console.log({ marks: marks.length, classes: classes.length, markBytes, records: records.length, mapped: records.reduce((sum, one) => sum + one.count, 0), bytes: bytes.length });
writeFileSync(process.argv[2], Uint8Array.from(bytes));
