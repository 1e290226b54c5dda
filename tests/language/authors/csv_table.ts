type Row = Record<string, string>;

function parseCsv(text: string, separator = ","): Row[] {
  const rows: string[][] = [[]];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { field += '"'; i++; }
      else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"') quoted = true;
    else if (c === separator) { rows.at(-1)!.push(field); field = ""; }
    else if (c === "\n") { rows.at(-1)!.push(field); field = ""; rows.push([]); }
    else if (c !== "\r") field += c;
  }
  rows.at(-1)!.push(field);
  const [header, ...body] = rows.filter((r) => r.length > 1 || r[0] !== "");
  return body.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ""])));
}

function toMarkdown(rows: Row[]): string {
  const columns = Object.keys(rows[0]);
  const widths = columns.map((c) => Math.max(c.length, ...rows.map((r) => r[c].length)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(columns), line(widths.map((w) => "-".repeat(w))), ...rows.map((r) => line(columns.map((c) => r[c])))].join("\n");
}

const csv = `name,city,note
Ada,London,"first, and best"
Grace,"New York","said ""hi"""
Linus,Helsinki,
`;
const rows = parseCsv(csv);
console.log(rows);
console.log(toMarkdown(rows));
console.table(rows);
console.table(rows, ["name", "city"]);
