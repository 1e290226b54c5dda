class SafeHtml {
  constructor(readonly value: string) {}
  toString() { return this.value; }
}
const escape = (text: unknown) => String(text).replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]!);

function html(strings: TemplateStringsArray, ...values: unknown[]): SafeHtml {
  const render = (value: unknown): string =>
    Array.isArray(value) ? value.map(render).join("") : value instanceof SafeHtml ? value.value : value === null || value === undefined || value === false ? "" : escape(value);
  return new SafeHtml(strings.reduce((out, part, i) => out + render(values[i - 1]) + part));
}

function dedent(strings: TemplateStringsArray, ...values: unknown[]): string {
  const text = String.raw({ raw: strings.raw }, ...values);
  const lines = text.replace(/^\n/, "").replace(/\n\s*$/, "").split("\n");
  const indent = Math.min(...lines.filter((l) => l.trim()).map((l) => l.match(/^ */)![0].length));
  return lines.map((l) => l.slice(indent)).join("\n");
}

function sql(strings: TemplateStringsArray, ...params: unknown[]) {
  return { text: strings.slice(1).reduce((q, part, i) => `${q}$${i + 1}${part}`, strings[0]), params };
}

const items = ["<b>", "a & b"];
console.log(String(html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>${null}${false}`));
console.log(dedent`
    function hello() {
      return ${1 + 1};
    }
  `);
console.log(sql`SELECT * FROM users WHERE id = ${7} AND name = ${"x'; DROP"}`);
console.log(String.raw`C:\new\${"x"}`, ((s: TemplateStringsArray) => [s.length, s[0], s.raw[0]])`a\n`);
