//! Generates programs from a seed: statements and expressions over a few variables of mixed kinds. Loops count down, so
//! every program ends. Every statement is in a `try`, so that errors are compared too.

use std::fmt::Write;

/// Returns the program of a seed.
pub fn program(seed: u64) -> String {
    let mut generator = ProgramGenerator {
        seed: SplitMix64::new(seed),
        out: String::new(),
        loops: 0,
        functions: 0,
        depth: 0,
        in_loop: false,
        has_iterators: seed.is_multiple_of(2),
        in_generator: false,
    };
    generator
        .out
        .push_str("let a = 3, b = 'x', c = [1, 2, 3], d = { k: 1, m: 'z' }, e = null, f = true, g; let steps = 0;\n");
    generator.out.push_str("const show = (...v) => { if (steps++ < 60) console.log(...v.map((x) => typeof x === 'function' ? 'fn' : x)); };\n");
    if generator.has_iterators {
        generator.out.push_str(ITERATORS);
    }
    let count = 4 + generator.below(8);
    for _ in 0..count {
        generator.out.push_str("try { ");
        generator.statement();
        generator.out.push_str(" } catch (err) { show('E', err instanceof Error ? err.name : err); }\n");
    }
    generator.out.push_str("show(a, b, c, d, e, f, g);\n");
    generator.out
}

/// Random numbers from a seed (SplitMix64).
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// Returns the next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    pub fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }
}

struct ProgramGenerator {
    seed: SplitMix64,
    out: String,
    loops: usize,
    functions: usize,
    depth: usize,
    in_loop: bool,
    /// Whether the program has generators and iterators of its own.
    has_iterators: bool,
    in_generator: bool,
}

/// An iterator that shows its calls, and a generator that shows its end.
const ITERATORS: &str = "\
const own = (n) => ({ [Symbol.iterator]() { let i = 0; show('open', n); return { next(v) { if (n === 9) throw new Error('next'); i++; \
    return { value: i, done: i > n }; }, return(v) { show('return', i, v); if (n === 7) throw new Error('close'); return n === 8 ? 5 : {}; } }; } });
function* gen(n) { try { for (let i = 0; i < n; i++) { const r = yield i; if (r !== undefined) show('r', r); } return 'end'; } \
    catch (e) { show('gc', e instanceof Error ? e.name : e); yield 'rec'; } finally { show('gf', n); } }
";

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g"];
const BINARY: &[&str] = &[
    "+", "+", "+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>", ">>>", "<", ">", "<=", ">=", "==", "!=", "===",
    "!==", "&&", "||", "??",
];
const ASSIGN: &[&str] = &["=", "=", "=", "+=", "-=", "*=", "|=", "&&=", "||=", "??=", "%=", ">>>="];

impl ProgramGenerator {
    fn below(&mut self, bound: usize) -> usize {
        self.seed.below(bound)
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        self.seed.pick(list)
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn block(&mut self) {
        self.text("{ ");
        for _ in 0..=self.below(3) {
            self.statement();
            self.text(" ");
        }
        self.text("}");
    }

    fn statement(&mut self) {
        self.depth += 1;
        let choices = if self.has_iterators { 24 } else { 18 };
        let choice = if self.depth > 4 { self.below(4) } else { self.below(choices) };
        match choice {
            18 | 19 if self.in_generator => {
                let form = self.pick(&[
                    "show('y', yield a);",
                    "g = [yield 1, yield b];",
                    "show(yield* own(2));",
                    "show('d', yield* gen(2));",
                    "yield* [a, b];",
                    "a = (yield 'x') ?? a;",
                    "if (f) return yield e;",
                    "const [v1 = yield 'dflt', v2] = gen(1); show(v1, v2);",
                ]);
                self.text("{ ");
                self.text(form);
                self.text(" }");
            }
            18..=20 => self.generator(),
            21..=23 => {
                let line = self.pick(&[
                    "{ const [p, q] = own(3); show(p, q); }",
                    "{ const [p, ...q] = gen(3); show(p, q); }",
                    "{ let p; [p = a.b.c, d.z] = own(1); show(p); }",
                    "{ const [{ p }, q = null.x] = own(5); show(p, q); }",
                    "g = [...own(2), ...gen(2)];",
                    "g = Math.max(...own(3), ...gen(2));",
                    "g = [...new Set(own(3))].length + new Map([...gen(2)].map((x) => [x, x])).size;",
                    "g = Array.from(own(2)); show(g);",
                    "for (const x of own(9)) show(x);",
                    "for (const x of own(8)) { show(x); break; }",
                    "for (const x of own(7)) { throw new RangeError('body'); }",
                    "{ const it = gen(2); show(it.next(), it.return(a), it.next()); }",
                    "{ const it = gen(2); it.next(); show(it.throw(b), it.next()); }",
                    "g = ((it) => { for (const x of it) return x; })(own(4));",
                    "g = ((it) => { for (const x of it) { try { return x; } finally { show('in', x); } } })(gen(4));",
                ]);
                self.text(line);
            }
            0 | 1 => {
                let target = self.pick(NAMES);
                let op = self.pick(ASSIGN);
                let _ = write!(self.out, "{target} {op} ");
                self.expression(3);
                self.text(";");
            }
            2 => {
                self.text("show(");
                self.expression(3);
                self.text(");");
            }
            3 => {
                let target =
                    self.pick(&["c[0]", "c[1]", "d.k", "d['m']", "d[b]", "c.length", "d.n", "c[a & 3]", "a", "g"]);
                let form = self.pick(&["++;", "--;", " += 1;", " ||= 2;", " ??= 'q';", " = 5;"]);
                let _ = write!(
                    self.out,
                    "if (c && d && typeof c === 'object' && !(Array.isArray(c) && c.length > 40)) {{ "
                );
                if target == "c.length" {
                    self.text("show(c.length); }");
                } else {
                    let _ = write!(self.out, "{target}{form} }}");
                }
            }
            4 => {
                self.text("if (");
                self.expression(2);
                self.text(") ");
                self.block();
                if self.below(2) == 0 {
                    self.text(" else ");
                    self.block();
                }
            }
            5 | 6 => self.counted_loop(),
            7 => self.for_of(),
            8 => self.switch(),
            9 | 10 => self.try_statement(),
            11 => {
                self.text("throw ");
                let what = self.pick(&["1", "'t'", "new Error('e')", "new TypeError('te')", "a", "b"]);
                self.text(what);
                self.text(";");
            }
            12 | 13 => self.function(),
            14 => {
                let word = if self.in_loop {
                    self.pick(&["if (f) break;", "if (!f) continue;", "if (a > 3) break;"])
                } else {
                    ";"
                };
                self.text(word);
            }
            15 => {
                let pattern = self.pick(&[
                    "[a, b] = [b, a];",
                    "({ k: a, m: b = 2, zz: g = 'dflt' } = d ?? {});",
                    "[a, ...c] = [1, 2, 3, a];",
                    "{ const { k, ...rest } = d ?? {}; show(k, rest); }",
                    "{ let [p, q = p] = [a]; show(p, q); }",
                ]);
                self.text(pattern);
            }
            16 => {
                let line = self.pick(&[
                    "g = CC('ask ' + typeof a);",
                    "g = CC('keyed', { key: typeof b, timeoutMs: 5 });",
                    "g = call('tool', { n: typeof c, list: [1, typeof d] });",
                    "c = CC.all(['one', { prompt: 'two ' + typeof e }, { tool: 'three', key: typeof f }]);",
                    "sleep(1); g = typeof fs.readFile('file of ' + typeof a);",
                    "d = { ...d, [String(a).slice(0, 5)]: b };",
                    "c = [...(Array.isArray(c) ? c.slice(0, 9) : []), a];",
                    "g = [1, 2, 3].map((v, i) => v + i + (typeof a === 'number' ? a : 0));",
                    "g = Object.keys(d ?? {}).join();",
                    "e = [3, 1, 2].sort((x, y) => y - x);",
                    "for (const key in d) show(key);",
                    "g = ((x, y = x) => [x, y])(a);",
                    "g = JSON.stringify([a, b, c, d]);",
                    "g = String(b).split('').reverse().join('').slice(0, 20);",
                    "delete d.k;",
                ]);
                self.text(line);
            }
            _ => {
                self.text("{ let ");
                let name = self.pick(NAMES);
                let _ = write!(self.out, "{name} = ");
                self.expression_without(2, name);
                self.text("; ");
                self.statement();
                self.text(" }");
            }
        }
        self.depth -= 1;
    }

    fn counted_loop(&mut self) {
        self.loops += 1;
        let name = format!("i{}", self.loops);
        let bound = 1 + self.below(4);
        let outer = std::mem::replace(&mut self.in_loop, true);
        match self.below(3) {
            0 => {
                let _ = write!(self.out, "for (let {name} = 0; {name} < {bound}; {name}++) ");
                self.block();
            }
            1 => {
                let _ = write!(self.out, "let {name} = {bound}; while ({name}-- > 0) ");
                self.block();
            }
            _ => {
                let _ = write!(
                    self.out,
                    "{{ const fs{name} = []; for (let {name} = 0; {name} < {bound}; {name} += 1) {{ fs{name}.push(() => {name}++); "
                );
                self.statement();
                let _ = write!(self.out, " }} show(fs{name}.map((q) => q()), fs{name}.map((q) => q())); }}");
            }
        }
        self.in_loop = outer;
    }

    fn for_of(&mut self) {
        self.loops += 1;
        let name = format!("x{}", self.loops);
        let over = self.pick(&[
            "[1, 'two', null]",
            "'héy'",
            "[...'ab', a]",
            "(Array.isArray(c) ? c.slice(0, 3) : [0])",
            "Object.values(d ?? {})",
        ]);
        let own = self.pick(&["own(3)", "gen(3)", "gen(1)", "own(8)", "own(7)"]);
        let over = if self.has_iterators && self.below(2) == 0 { own } else { over };
        let _ = write!(self.out, "for (const {name} of {over}) {{ show({name}); ");
        let outer = std::mem::replace(&mut self.in_loop, true);
        self.statement();
        self.in_loop = outer;
        self.text(" }");
    }

    /// A generator and its use.
    fn generator(&mut self) {
        self.functions += 1;
        let name = format!("ge{}", self.functions);
        let outer = (std::mem::replace(&mut self.in_loop, false), std::mem::replace(&mut self.in_generator, true));
        let _ = write!(self.out, "{{ function* {name}(p, q = 2) {{ ");
        for _ in 0..=self.below(3) {
            self.statement();
            self.text(" ");
        }
        self.text("yield [p, q, ");
        self.expression(1);
        self.text("]; ");
        self.statement();
        self.text(" return 'done'; } ");
        (self.in_loop, self.in_generator) = outer;
        match self.below(4) {
            0 => {
                let _ = write!(self.out, "show([...{name}(1)]);");
            }
            1 => {
                self.loops += 1;
                let _ = write!(self.out, "for (const y{} of {name}(a)) {{ show(y{}); ", self.loops, self.loops);
                let outer = std::mem::replace(&mut self.in_loop, true);
                self.statement();
                self.in_loop = outer;
                self.text(" }");
            }
            2 => {
                let _ = write!(self.out, "const [z1, z2 = 'none'] = {name}(); show(z1, z2);");
            }
            _ => {
                let _ = write!(self.out, "const it = {name}(b); ");
                for _ in 0..=self.below(5) {
                    let call = self.pick(&["next(a)", "next()", "next(1)", "return(b)", "throw('t')"]);
                    let _ = write!(
                        self.out,
                        "try {{ show(it.{call}); }} catch (err) {{ show('G', err instanceof Error ? err.name : err); }} "
                    );
                }
            }
        }
        self.text(" }");
    }

    fn switch(&mut self) {
        self.text("switch (");
        self.expression(1);
        self.text(") { case 3: ");
        self.statement();
        if self.below(2) == 0 {
            self.text(" break;");
        }
        self.text(" case 'x': case null: ");
        self.statement();
        self.text(" break; default: ");
        self.statement();
        self.text(" }");
    }

    fn try_statement(&mut self) {
        self.text("try ");
        self.block();
        let form = self.below(3);
        if form != 0 {
            self.text(" catch (err) { show('c', err instanceof Error ? err.name : err); ");
            self.statement();
            self.text(" }");
        }
        if form != 1 {
            self.text(" finally ");
            self.block();
        }
    }

    fn function(&mut self) {
        self.functions += 1;
        let name = format!("fn{}", self.functions);
        let outer = (std::mem::replace(&mut self.in_loop, false), std::mem::replace(&mut self.in_generator, false));
        let _ = write!(self.out, "{{ const {name} = (p, q = 2) => {{ ");
        self.statement();
        self.text(" if (p) return [p, q, ");
        self.expression(2);
        self.text("]; ");
        self.statement();
        self.text(" }; ");
        (self.in_loop, self.in_generator) = outer;
        let _ = write!(self.out, "show({name}(");
        self.expression(1);
        let _ = write!(self.out, "), {name}(0)); }}");
    }

    /// Writes an expression that does not read `name`, which is in its temporal dead zone.
    fn expression_without(&mut self, depth: usize, name: &str) {
        let start = self.out.len();
        self.expression(depth);
        let text = self.out.split_off(start);
        let reads = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        self.out.push_str(if reads { "[0]" } else { &text });
    }

    fn expression(&mut self, depth: usize) {
        if depth == 0 {
            let leaf = self.pick(&[
                "a",
                "b",
                "c",
                "d",
                "e",
                "f",
                "g",
                "0",
                "1",
                "-1",
                "2.5",
                "NaN",
                "'s'",
                "''",
                "'10'",
                "true",
                "false",
                "null",
                "undefined",
                "1e9",
                "-0",
                "Infinity",
                "'é😀'",
            ]);
            return self.text(leaf);
        }
        match self.below(14) {
            0..=5 => {
                let op = self.pick(BINARY);
                // `a ?? b || c` needs brackets, and so does `-a ** b`. `(a) < (b), (c) > (d)` is a call in TypeScript.
                // ECMAScript does not define the rounding of powers that are not exactly a double, and Node does not
                // round to the nearest, so operands of `**` are small.
                let bound = |most: u32| if op == "**" { format!(") & {most}") } else { ")".to_owned() };
                self.text("(((");
                self.expression(depth - 1);
                let _ = write!(self.out, "{}) {op} ((", bound(7));
                self.expression(depth - 1);
                let _ = write!(self.out, "{}))", bound(15));
            }
            6 => {
                let op = self.pick(&["!", "-", "+", "~", "typeof ", "void "]);
                let _ = write!(self.out, "{op}(");
                self.expression(depth - 1);
                self.text(")");
            }
            7 => {
                self.text("(");
                self.expression(depth - 1);
                self.text(" ? ");
                self.expression(depth - 1);
                self.text(" : ");
                self.expression(depth - 1);
                self.text(")");
            }
            8 => {
                self.text("`<${");
                self.expression(depth - 1);
                self.text("}>`");
            }
            9 => {
                self.text("[");
                self.expression(depth - 1);
                self.text(", ");
                self.expression(depth - 1);
                self.text("]");
            }
            10 => {
                self.text("{ 'k': ");
                let start = self.out.len() - "{ 'k': ".len();
                self.expression(depth - 1);
                self.text(" }");
                let object = self.out.split_off(start);
                let _ = write!(self.out, "({object})");
            }
            11 => {
                let form = self.pick(&[
                    "String(b).length",
                    "Math.floor(Number(a))",
                    "c?.[1]",
                    "d?.k",
                    "d?.m?.length",
                    "c.length",
                    "d.k",
                    "e?.x.y",
                    "Number(b)",
                    "[1, 2].includes(a)",
                    "Array.isArray(c)",
                    "parseInt(b)",
                    "Math.max(1, a)",
                    "'abc'.indexOf(b)",
                    "isNaN(a)",
                    "e.x",
                    "String(a).padStart(4, '0')",
                    "(typeof a === 'number' ? a : 0).toFixed(1)",
                    "JSON.stringify(d)",
                    "a()",
                    "b.nope()",
                    "'k' in (d ?? {})",
                    "String(c)",
                    "(a, b)",
                    "c?.map?.((v) => v + 1)",
                    "d?.zz?.(1)",
                ]);
                self.text(form);
            }
            12 => {
                let name = self.pick(&["a", "g"]);
                let form = self.pick(&["++", "--"]);
                if self.below(2) == 0 {
                    let _ = write!(self.out, "({name}{form})");
                } else {
                    let _ = write!(self.out, "({form}{name})");
                }
            }
            _ => {
                let name = self.pick(&["a", "e", "g"]);
                let op = self.pick(ASSIGN);
                let _ = write!(self.out, "({name} {op} ");
                self.expression(depth - 1);
                self.text(")");
            }
        }
    }
}
