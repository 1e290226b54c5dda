const STOP_WORDS = new Set(["the", "a", "of", "and", "to", "is"]);
const text = "The cat sat on the mat. The cat is a friend of the dog; and the dog... the dog sleeps! Is it a cat's life? naïve café №5";

const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
const counts = words.filter((w) => !STOP_WORDS.has(w)).reduce<Record<string, number>>((acc, w) => ({ ...acc, [w]: (acc[w] ?? 0) + 1 }), {});
const top = Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, 4);
console.log(words.length, top);
const widest = Math.max(...top.map(([w]) => w.length));
for (const [word, n] of top) console.log(`${word.padStart(widest)} ${"█".repeat(n)} ${n}`);

function ngrams(tokens: string[], n: number): Map<string, number> {
  const map = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    const gram = tokens.slice(i, i + n).join(" ");
    map.set(gram, (map.get(gram) ?? 0) + 1);
  }
  return map;
}
console.log([...ngrams(words, 2)].filter(([, n]) => n > 1));

const estimate = (s: string) => [...s.matchAll(/\w{1,4}|[^\w\s]/g)].length;
console.log(estimate(text), estimate(""));
const sentences = text.split(/(?<=[.!?;])\s+/);
console.log(sentences.map((s) => s.length), sentences.at(-1));
const byLength: { [length: number]: string[] } = {};
for (const w of new Set(words)) (byLength[w.length] ??= []).push(w);
console.log(byLength);
console.log(Object.keys(byLength).map(Number).filter((n) => n % 2), words.lastIndexOf("dog"), words.findLast((w) => w.startsWith("s")));
