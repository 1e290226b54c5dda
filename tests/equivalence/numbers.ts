// Numbers, texts, randomness and time: values that differ between careless implementations.
const found: string[] = [];
let sum = 0;
for (let i = 1; i < 40; i++) {
  sum += Math.sin(i) * Math.exp(i / 10) + 1 / i;
  if (i % 13 === 0) {
    const answer = CC(`sum ${sum}, ${Math.floor(Math.random() * 1e9)}, ${Date.now()}`);
    found.push(JSON.stringify({ i, sum, answer, text: String(answer).toUpperCase().slice(0, 9) }));
    console.log(found[found.length - 1], (0.1 + 0.2).toString(), (1e21 + i).toString(), -0, NaN);
  }
}
const words = found.join("").split("").sort().join("");
console.log(words.length, /(\d+)\.(\d)/.exec(found[0])?.[1], words.slice(0, 20));
throw new RangeError("at the end " + CC("last?"));
