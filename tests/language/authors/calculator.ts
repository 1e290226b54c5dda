type Token = { kind: "number"; value: number } | { kind: "op"; value: string } | { kind: "name"; value: string } | { kind: "end" };

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([a-z]\w*)|([-+*\/^(),]))/giy;
  let match: RegExpExecArray | null;
  while (pattern.lastIndex < source.trimEnd().length) {
    const at = pattern.lastIndex;
    match = pattern.exec(source);
    if (!match) throw new SyntaxError(`unexpected ${JSON.stringify(source[at])} at ${at}`);
    const [, number, name, op] = match;
    if (number !== undefined) tokens.push({ kind: "number", value: parseFloat(number) });
    else if (name !== undefined) tokens.push({ kind: "name", value: name });
    else tokens.push({ kind: "op", value: op });
  }
  return [...tokens, { kind: "end" }];
}

class Parser {
  private position = 0;
  private static readonly precedence: Record<string, [power: number, rightAssociative?: boolean]> = { "+": [1], "-": [1], "*": [2], "/": [2], "^": [4, true] };
  constructor(private readonly tokens: Token[], private readonly variables: Record<string, number> = {}) {}

  private get current() { return this.tokens[this.position]; }
  private isOp(value: string) { return this.current.kind === "op" && this.current.value === value; }
  private expect(value: string) {
    if (!this.isOp(value)) throw new SyntaxError(`expected "${value}"`);
    this.position++;
  }
  expression(min = 0): number {
    let left = this.unary();
    for (;;) {
      const token = this.current;
      if (token.kind !== "op" || !(token.value in Parser.precedence)) return left;
      const [power, right] = Parser.precedence[token.value];
      if (power < min) return left;
      this.position++;
      const operand = this.expression(right ? power : power + 1);
      left = { "+": (a: number, b: number) => a + b, "-": (a: number, b: number) => a - b, "*": (a: number, b: number) => a * b, "/": (a: number, b: number) => a / b, "^": Math.pow }[token.value]!(left, operand);
    }
  }
  private unary(): number {
    if (this.isOp("-")) { this.position++; return -this.expression(3); }
    if (this.isOp("(")) { this.position++; const inner = this.expression(); this.expect(")"); return inner; }
    const token = this.current;
    this.position++;
    switch (token.kind) {
      case "number": return token.value;
      case "name": {
        if (this.isOp("(")) {
          this.position++;
          const args = [this.expression()];
          while (this.isOp(",")) { this.position++; args.push(this.expression()); }
          this.expect(")");
          return (Math as any)[token.value](...args);
        }
        if (!(token.value in this.variables)) throw new ReferenceError(`unknown variable ${token.value}`);
        return this.variables[token.value];
      }
      default: throw new SyntaxError("unexpected end");
    }
  }
}

for (const source of ["1 + 2 * 3", "-(2 ^ 3 ^ 2) / 4", "sqrt(16) + max(1, x, 3)", "2 -", "1 $ 2", "y + 1", "1e3 - .5"]) {
  try {
    console.log(`${source} = ${new Parser(tokenize(source), { x: 10 }).expression()}`);
  } catch (error) {
    console.log(`${source}: ${error}`);
  }
}
