function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split(/\n{2,}/)) {
    let line = "";
    for (const word of paragraph.trim().split(/\s+/)) {
      if (line && line.length + 1 + word.length > width) {
        lines.push(line);
        line = "";
      }
      line = line ? `${line} ${word}` : word;
      while (line.length > width) {
        lines.push(line.slice(0, width - 1) + "-");
        line = line.slice(width - 1);
      }
    }
    lines.push(line, "");
  }
  lines.pop();
  return lines;
}
function justify(line: string, width: number): string {
  const words = line.split(" ");
  if (words.length === 1 || line.length < width / 2) return line;
  const gaps = words.length - 1;
  const spaces = width - words.join("").length;
  return words.reduce((out, word, i) => out + " ".repeat(Math.floor(spaces / gaps) + (i <= spaces % gaps ? 1 : 0)) + word);
}
const box = (lines: string[], width: number) => [`┌${"─".repeat(width + 2)}┐`, ...lines.map((l) => `│ ${l.padEnd(width)} │`), `└${"─".repeat(width + 2)}┘`].join("\n");

const text = `A durable program keeps its state between calls,
so a restart is not the end of it. Pneumonoultramicroscopicsilicovolcanoconiosis is long.

Short.`;
console.log(box(wrap(text, 24), 24));
for (const line of wrap(text, 30).slice(0, 3)) console.log(`"${justify(line, 30)}"`);
const title = "the quick brown-fox of it";
const capitalize = (w: string) => w.charAt(0).toUpperCase() + w.slice(1);
console.log(title.replace(/\b[a-z]\w{2,}/g, capitalize), title.split(/[\s-]/).map((w, i) => (i ? capitalize(w) : w)).join(""));
console.log(title.replace(/[\s-]+/g, "_").toUpperCase(), "fooBarBaz".replace(/([A-Z])/g, (_, c: string) => `-${c.toLowerCase()}`), " x ".trim().padStart(3, "*").padEnd(5, "12"));
