type Context = Record<string, any>;

const filters: Record<string, (value: any, arg?: string) => string> = {
  upper: (v) => String(v).toUpperCase(),
  join: (v: unknown[], sep = ", ") => v.join(sep),
  money: (v: number) => v.toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ","),
  default: (v, fallback = "") => (v === undefined || v === null || v === "" ? fallback : String(v)),
};

const lookup = (context: Context, path: string): any => path.split(".").reduce((value, key) => value?.[key], context as any);

function render(template: string, context: Context): string {
  const withLoops = template.replace(/\{% for (?<item>\w+) in (?<list>[\w.]+) %\}(?<body>[\s\S]*?)\{% endfor %\}/g, (...args) => {
    const { item, list, body } = args.at(-1) as Record<string, string>;
    const values: unknown[] = lookup(context, list) ?? [];
    return values.map((value, index) => render(body, { ...context, [item]: value, loop: { index: index + 1, last: index === values.length - 1 } })).join("");
  });
  return withLoops.replace(/\{\{\s*([\w.]+)((?:\s*\|\s*\w+(?::"[^"]*")?)*)\s*\}\}/g, (_match, path: string, chain: string) => {
    let value = lookup(context, path);
    for (const [, name, arg] of chain.matchAll(/\|\s*(\w+)(?::"([^"]*)")?/g)) {
      const filter = filters[name];
      if (!filter) throw new Error(`unknown filter: ${name}`);
      value = filter(value, arg);
    }
    return String(value ?? "");
  });
}

const invoice = `Dear {{ customer.name | upper }},
{% for line in lines %}{{ loop.index }}. {{ line.title }}: \${{ line.price | money }}
{% endfor %}Total: \${{ total | money }}
Tags: {{ tags | join:" / " }}
Note: {{ note | default:"none" }}`;

const lines = [
  { title: "Desk", price: 1234.5 },
  { title: "Lamp", price: 49 },
];
console.log(render(invoice, { customer: { name: "Ada" }, lines, total: lines.reduce((sum, { price }) => sum + price, 0), tags: ["new", "vip"] }));
try {
  render("{{ x | shout }}", { x: 1 });
} catch (e) {
  console.log((e as Error).message);
}
