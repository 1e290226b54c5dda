//! Generates programs from a seed: functions, async or not, that call each other directly, as members, through
//! callbacks and as values, within `try`, loops and conditions. Their promises are awaited, combined, passed to
//! handlers or ignored, and their calls are answered in any order. A number that decreases with each call ends them.

/// Returns the program of a seed. It has no types, so Node runs it unchanged.
pub fn program(seed: u64) -> String {
    let mut generator = AsyncProgramGenerator {
        state: seed ^ 0x9E37_79B9_7F4A_7C15,
        functions: 0,
        generators: if seed.is_multiple_of(2) { 2 } else { 0 },
        in_generator: false,
        lines: 0,
    };
    generator.functions = 3 + generator.below(3);
    let mut out = "let steps = 0; const log = (...a) => { if (++steps < 300) console.log(...a); };\n".to_owned();
    out += "const n = 2, hof = (f, n) => f(n);\n";
    for index in 0..generator.functions {
        let is_async = generator.below(3) > 0;
        let body = generator.statements(is_async, 2, false);
        let result = if is_async { generator.value(true) } else { "v".to_owned() };
        let mark = if is_async { "async " } else { "" };
        let body = format!("let v; if (n <= 0 || steps > 200) return n; {body} return {result};");
        out += &match generator.below(4) {
            0 => format!("const f{index} = {mark}(n) => {{ {body} }};\n"),
            _ => format!("{mark}function f{index}(n) {{ {body} }}\n"),
        };
    }
    for index in 0..generator.generators {
        generator.in_generator = true;
        let body = generator.statements(true, 2, false);
        let result = generator.value(true);
        generator.in_generator = false;
        out += &format!(
            "async function* a{index}(n) {{ let v; if (n <= 0 || steps > 200) return n; {body} yield n; return {result}; }}\n"
        );
    }
    let names: Vec<String> = (0..generator.functions).map(|index| format!("f{index}")).collect();
    let names = names.join(", ");
    out += &format!("const o = {{ {names} }}; const t = [{names}];\n");
    for index in 0..generator.functions {
        let callee = generator.pick(&["f#", "o.f#", "t[#]"]).replace('#', &index.to_string());
        if generator.below(4) == 0 {
            out += &format!("const p{index} = {}; log(p{index});\n", generator.reaction(&format!("{callee}(2)")));
        }
        out += &format!(
            "try {{ console.log('r', await {callee}(3)); }} catch (e) {{ console.log('x', e.message ?? e); }}\n"
        );
    }
    out
}

struct AsyncProgramGenerator {
    state: u64,
    functions: usize,
    /// Async generators; 0 in half of the programs.
    generators: usize,
    in_generator: bool,
    lines: usize,
}

impl AsyncProgramGenerator {
    /// Returns the next number below `bound` (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    fn call(&mut self) -> String {
        let callee = self.pick(&["f#", "f#", "f#", "o.f#", "o['f#']", "t[#]", "(0, f#)"]);
        let call = self.pick(&[
            "@(n - 1)",
            "@(n - 1)",
            "hof(@, n - 1)",
            "((x) => f#(x))(n - 1)",
            "f#.call(o, n - 1)",
            "o.f#?.(n - 1)",
            "f#.bind(null, n - 1)()",
            "(async () => f#(n - 1))()",
        ]);
        call.replace('@', callee).replace('#', &self.below(self.functions).to_string())
    }

    /// An expression whose value is a promise for the value of a call.
    fn reaction(&mut self, call: &str) -> String {
        self.lines += 1;
        let other = self.call();
        let form = self.pick(&[
            "Promise.resolve(@).then((x) => { log('t#', x); return x; })",
            "Promise.resolve(@).then((x) => %, (e) => 'h' + (e.message ?? e))",
            "Promise.resolve(@).catch((e) => { log('c#', e.message ?? e); return %; })",
            "Promise.resolve(@).finally(() => log('f#'))",
            "Promise.resolve(@).finally(() => %).catch((e) => e.message ?? e)",
            "Promise.all([@, n, %])",
            "Promise.all([@, %]).then((all) => all.length)",
            "Promise.allSettled([@, %]).then((all) => all.map((one) => one.status))",
            "Promise.race([@, %])",
            "Promise.any([@, %]).catch((e) => e.errors?.length ?? e.message)",
            "new Promise((resolve, reject) => { log('e#'); resolve(@); reject(new Error('ignored')); })",
            "new Promise((resolve, reject) => { Promise.resolve(@).then(reject, resolve); }).catch((x) => x?.message ?? x)",
            "Promise.resolve({ then(resolve) { log('l#'); resolve(@); } })",
            "(async () => { for await (const x of [@, n]) log('i#', x); return n; })()",
            "(async () => { try { return await @; } catch (e) { return await %; } finally { await null; log('a#'); } })()",
        ]);
        form.replace('@', call).replace('%', &other).replace('#', &self.lines.to_string())
    }

    fn wrapped_call(&mut self) -> String {
        let (first, other) = (self.call(), self.call());
        match self.below(14) {
            9 | 10 => self.reaction(&first),
            0 => format!("(n > 1 ? {first} : {other})"),
            1 => format!("(n > 1 && {first})"),
            2 => format!("({first} || {other})"),
            _ => first,
        }
    }

    fn value(&mut self, is_async: bool) -> String {
        match self.below(10) {
            0..=5 if is_async => format!("await {}", self.wrapped_call()),
            6 if is_async => "await CC('q' + n)".to_owned(),
            7 if is_async => format!("[n, await {}, await {}]", self.wrapped_call(), self.wrapped_call()),
            9 => self.wrapped_call(),
            _ => self.pick(&["n", "n * 2", "'s'", "[n]"]).to_owned(),
        }
    }

    /// A statement that uses or belongs to an async generator.
    fn iteration(&mut self, is_async: bool, depth: usize) -> String {
        let generator = format!("a{}(n - 1)", self.below(self.generators));
        if self.in_generator && self.below(2) == 0 {
            let value = self.value(true);
            return match self.below(4) {
                0 => format!("v = yield* {generator}; log('s', v);"),
                1 => format!("try {{ v = yield {value}; }} finally {{ log('yf', n); }}"),
                2 => "yield* [n, Promise.resolve('p')];".to_owned(),
                _ => format!("v = yield {value}; log('y', v);"),
            };
        }
        if !is_async {
            return format!("v = {generator}.next(); v.catch(() => log('nc'));");
        }
        match self.below(5) {
            0 if depth > 0 => {
                let body = self.statements(true, depth - 1, true);
                format!("for await (const x of {generator}) {{ log('w', x); {body} }}")
            }
            1 => format!("for await (const x of {generator}) {{ log('b', x); break; }}"),
            2 => format!(
                "{{ const it = {generator}; const all = [it.next(n), it.next(), it.{}]; log(await Promise.allSettled(all)); }}",
                self.pick(&["next()", "return('r')", "throw(new Error('th'))", "return(Promise.resolve(n))"])
            ),
            3 => format!("v = (await {generator}.next()).value; log('n', v);"),
            _ => "for await (const x of (function* () { try { yield n; yield Promise.resolve('q'); } finally { log('sf'); } })()) { log('z', x); if (n > 1) break; }".to_owned(),
        }
    }

    fn statements(&mut self, is_async: bool, depth: usize, in_loop: bool) -> String {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.statement(is_async, depth, in_loop) + " ").collect()
    }

    fn statement(&mut self, is_async: bool, depth: usize, in_loop: bool) -> String {
        self.lines += 1;
        let line = format!("log({}, n);", self.lines);
        if self.generators > 0 && self.below(4) == 0 {
            return self.iteration(is_async, depth);
        }
        let block = |this: &mut Self| match depth {
            0 => line.clone(),
            _ => this.statements(is_async, depth - 1, in_loop),
        };
        match self.below(14) {
            0..=2 => line,
            3..=5 => format!("v = {}; log(v);", self.value(is_async)),
            6 => format!("try {{ {} }} catch (e) {{ log('c', e.message ?? e); {} }}", block(self), block(self)),
            7 => format!("try {{ {} }} finally {{ {} }}", block(self), block(self)),
            8 => format!("try {{ {} }} catch {{ {} }} finally {{ log('f'); }}", block(self), block(self)),
            9 => format!("if (n {} {}) {{ {} }}", self.pick(&[">", "<", "==="]), self.below(4), block(self)),
            10 if depth > 0 => {
                format!("for (let i = 0; i < 2; i++) {{ {} }}", self.statements(is_async, depth - 1, true))
            }
            11 => format!("if (n === {}) throw new Error('e' + n);", self.below(4)),
            12 => format!("return {};", if self.below(3) > 0 { self.wrapped_call() } else { self.value(is_async) }),
            _ if in_loop => self.pick(&["continue;", "break;"]).to_owned(),
            _ if is_async => format!("await {};", self.call()),
            _ => format!("{};", self.call()),
        }
    }
}
