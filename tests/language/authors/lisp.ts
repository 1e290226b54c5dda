type Atom = number | string | boolean;
type Expr = Atom | Expr[];
type Value = Atom | Value[] | ((...args: any[]) => Value);

class Env {
  constructor(private vars: Record<string, Value>, private outer?: Env) {}
  find(name: string): Value {
    if (Object.hasOwn(this.vars, name)) return this.vars[name];
    if (!this.outer) throw new ReferenceError(`${name} is not bound`);
    return this.outer.find(name);
  }
  define(name: string, value: Value) { return (this.vars[name] = value); }
}

function parse(source: string): Expr[] {
  const tokens = source.replace(/;.*$/gm, "").replaceAll("(", " ( ").replaceAll(")", " ) ").trim().split(/\s+/);
  const read = (): Expr => {
    const token = tokens.shift();
    if (token === undefined) throw new SyntaxError("unexpected end of input");
    if (token === "(") {
      const list: Expr[] = [];
      while (tokens[0] !== ")") list.push(read());
      tokens.shift();
      return list;
    }
    if (token === "#t" || token === "#f") return token === "#t";
    const n = Number(token);
    return Number.isNaN(n) ? token : n;
  };
  const program: Expr[] = [];
  while (tokens.length) program.push(read());
  return program;
}

function evaluate(expr: Expr, env: Env): Value {
  if (typeof expr === "string") return env.find(expr);
  if (!Array.isArray(expr)) return expr;
  const [head, ...rest] = expr;
  switch (head) {
    case "if": return evaluate(evaluate(rest[0], env) !== false ? rest[1] : rest[2], env);
    case "define": return env.define(rest[0] as string, evaluate(rest[1], env));
    case "lambda": {
      const [params, body] = rest as [string[], Expr];
      return (...args: Value[]) => evaluate(body, new Env(Object.fromEntries(params.map((p, i) => [p, args[i]])), env));
    }
    case "let": {
      const inner = new Env({}, env);
      for (const [name, value] of rest[0] as [string, Expr][]) inner.define(name, evaluate(value, env));
      return evaluate(rest[1], inner);
    }
  }
  const fn = evaluate(head, env);
  if (typeof fn !== "function") throw new TypeError(`${JSON.stringify(head)} is not a function`);
  return fn(...rest.map((e) => evaluate(e, env)));
}

const fold = (f: (a: number, b: number) => number) => (...args: number[]) => args.reduce(f);
const globals = new Env({
  "+": fold((a, b) => a + b), "-": fold((a, b) => a - b), "*": fold((a, b) => a * b),
  "<": (a: number, b: number) => a < b, "=": (a: Value, b: Value) => a === b,
  list: (...items: Value[]) => items, map: (f: any, items: Value[]) => items.map((i) => f(i)),
});
const source = `
(define fact (lambda (n) (if (< n 2) 1 (* n (fact (- n 1)))))) ; recursion
(define twice (lambda (f) (lambda (x) (f (f x)))))
(fact 10)
((twice (lambda (x) (* x x))) 3)
(let ((a 2) (b 3)) (map (lambda (n) (+ n a b)) (list 1 2 3)))
(undefined-thing 1)
`;
try {
  for (const expr of parse(source)) {
    const value = evaluate(expr, globals);
    console.log(typeof value === "function" ? "<lambda>" : value);
  }
} catch (e) {
  console.log(`${(e as Error).name}: ${(e as Error).message}`);
}
