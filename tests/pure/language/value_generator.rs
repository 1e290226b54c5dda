//! Generates programs from a seed that print values of all kinds, nested in one another, and texts with format
//! directives.

use super::program_generator::SplitMix64;

const PRELUDE: &str = "\
class Point { constructor(x, y) { this.x = x; this.y = y; } length() { return this.x } }
class Near extends Point {}
class Empty {}
class Lost extends Error { constructor(m) { super(m); this.code = 7; } }
class LostError extends Error {}
function sum(a, b) { return a + b }
const holes = (n, at) => { const list = []; list[at] = 1; list.length = n; return list; };
const own = (target, more) => Object.assign(target, more);
const circle = (o) => { o.self = o; o.list = [o, { up: o }]; return o; };
const ring = (a) => { const b = { a }; a.b = b; return [a, b]; };
const loop = (m) => m.set('m', m);
const texted = (o) => { o['to' + 'String'] = function () { return '42.5 ' + this.n }; return o; };
";

/// Returns the program of a seed.
pub fn program(seed: u64) -> String {
    let mut values = ValueGenerator { seed: SplitMix64::new(seed) };
    let mut out = PRELUDE.to_owned();
    for _ in 0..20 {
        let line = match values.seed.below(6) {
            0 => values.directives(),
            1 => format!("{}, {}", values.value(3), values.value(2)),
            _ => values.value(4),
        };
        out += &format!("console.log({line});\n");
    }
    out
}

struct ValueGenerator {
    seed: SplitMix64,
}

const NUMBERS: &[&str] =
    &["0", "-0", "1", "-7", "2.5", "NaN", "Infinity", "-Infinity", "1e21", "1e-7", "123456789", "0.1 + 0.2"];
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'two words'",
    "\"it's\"",
    "'\"quoted\"'",
    "`\"it's\"`",
    "'all \\' \" ` three'",
    "'a ${b} \\' \"'",
    "'line\\nbreak'",
    "'tab\\tnul\\0esc\\x1b\\x7f\\x85back\\\\slash'",
    "'h\u{e9}llo'",
    "'\\ud83d!'",
    "'\u{1f600}'",
    "'x'.repeat(30)",
    "'word '.repeat(14)",
    "'word '.repeat(40)",
    "'a line\\n'.repeat(8)",
    "'y'.repeat(10005)",
];
const KEYS: &[&str] =
    &["a", "b", "name", "_x", "$y", "'b-c'", "'two words'", "7", "10", "\"it's\"", "''", "\u{fc}ber", "aLongerName"];
const OTHER_VALUES: &[&str] = &[
    "undefined",
    "null",
    "true",
    "false",
    "/a\\/b/gi",
    "sum",
    "() => 1",
    "(() => () => 1)()",
    "function () {}",
    "Math.max",
    "parseInt",
    "Map",
    "Point",
    "Near",
    "Lost",
    "class {}",
    "sum.bind(null, 1)",
    "new Point(1, 'two')",
    "new Near(0, [1])",
    "new Empty()",
    "texted({ n: 1 })",
    "new Error('no')",
    "new Error('')",
    "new TypeError('two\\nlines')",
    "new Lost('where')",
    "new LostError('where')",
    "own(new Error('own'), { name: 'OwnError', data: { list: [1] } })",
    "own(new RangeError('first'), { message: 'other' })",
    "new Error('outer', { cause: new TypeError('inner') })",
    "new Error('outer', { cause: 'text' })",
    "new Map([['k', 1], ['l', 2]]).keys()",
    "new Map([['k', { a: 1 }]]).values()",
    "new Map([['k', 1]]).entries()",
    "new Set(['s', 2]).values()",
    "new Set(['s']).entries()",
    "new Set().values()",
    "[1, 2].values()",
    "holes(5, 2)",
    "holes(1, 0)",
    "holes(120, 3)",
    "circle({ name: 'o' })",
    "circle([1, 2])",
    "ring({ n: 1 })",
    "loop(new Map())",
    "own([1, 2], { foo: 3, 'b-c': [4] })",
    "own(() => 1, { tag: 't' })",
    "own(sum, { tag: { deep: [1] } })",
    "Object.fromEntries(Array.from({ length: 120 }, (_, i) => ['k' + i, i]))",
];

impl ValueGenerator {
    fn value(&mut self, depth: usize) -> String {
        match self.seed.below(if depth == 0 { 4 } else { 12 }) {
            0 | 1 => self.seed.pick(NUMBERS).to_owned(),
            2 => self.seed.pick(TEXTS).to_owned(),
            3 => self.seed.pick(OTHER_VALUES).to_owned(),
            4 | 5 => self.list(depth),
            6..=8 => self.object(depth),
            9 => {
                let entries =
                    self.repeated(4, |values| format!("[{}, {}]", values.value(depth - 1), values.value(depth - 1)));
                format!("new Map([{entries}])")
            }
            10 => format!("new Set([{}])", self.repeated(5, |values| values.value(depth - 1))),
            _ => self.long_list(),
        }
    }

    /// Returns up to `most` items, separated by commas.
    fn repeated(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> String) -> String {
        let count = self.seed.below(most + 1);
        (0..count).map(|_| one(self)).collect::<Vec<_>>().join(", ")
    }

    fn list(&mut self, depth: usize) -> String {
        format!("[{}]", self.repeated(9, |values| values.value(depth - 1)))
    }

    fn object(&mut self, depth: usize) -> String {
        let members = self.repeated(6, |values| format!("{}: {}", values.seed.pick(KEYS), values.value(depth - 1)));
        format!("{{ {members} }}")
    }

    /// Returns a list that is printed in columns, or truncated.
    fn long_list(&mut self) -> String {
        let length = self.seed.pick(&["7", "8", "16", "26", "27", "60", "100", "101", "130"]);
        let element = self.seed.pick(&[
            "i",
            "i * 37",
            "i % 2 ? i : -i",
            "i / 8",
            "10 ** (i % 12)",
            "i % 5 ? i : 'text'",
            "i < 100 ? i : 'text'",
            "'w'.repeat(1 + i % 5)",
            "'w'.repeat(i % 31)",
            "'line\\n' + i",
            "{ i }",
            "[i, i]",
            "i % 3 === 0",
            "i % 7 ? null : undefined",
            "'h\u{e9}' + i",
        ]);
        let list = format!("Array.from({{ length: {length} }}, (_, i) => ({element}))");
        match self.seed.below(6) {
            0 => format!("new Set({list})"),
            1 => format!("new Map({list}.map((v, i) => [i, v]))"),
            2 => format!("own({list}, {{ more: 1 }})"),
            _ => list,
        }
    }

    /// Returns a text with directives, and their arguments.
    fn directives(&mut self) -> String {
        let mut text = String::new();
        let mut arguments = Vec::new();
        // After a missing argument all others are missing too, so that each argument has its own directive.
        let mut missing = false;
        for _ in 0..1 + self.seed.below(5) {
            // A digit after a stack trace would look like a part of its position.
            text += self.seed.pick(&[" ", "a ", ": ", " x=", "% "]);
            let directive = self.seed.pick(&["%s", "%s", "%d", "%i", "%f", "%j", "%O", "%o", "%c", "%%", "%x", "% "]);
            text += directive;
            missing |= self.seed.below(12) == 0;
            let argument = match directive {
                "%%" | "%x" | "% " => continue,
                // The text of a function is its source.
                "%s" | "%d" | "%i" | "%f" => self.convertible(),
                // Hidden properties of functions, errors and regular expressions are not shown.
                "%o" => self.primitives(3),
                "%j" => self.primitives(2),
                _ => self.value(2),
            };
            if !missing {
                arguments.push(argument);
            }
        }
        if !missing && self.seed.below(3) == 0 {
            arguments.push(self.value(2));
        }
        text += self.seed.pick(&["", " end", "%", "%%"]);
        format!("'{text}'{}", arguments.iter().map(|argument| format!(", {argument}")).collect::<String>())
    }

    fn convertible(&mut self) -> String {
        let other = &[
            "'12.5px'",
            "'0x1f'",
            "' 7 '",
            "'text'",
            "[5]",
            "[1, [2, [3]]]",
            "{ a: { b: 1 } }",
            "texted({ n: 1 })",
            "texted(new Point(1, 2))",
            "new Map([['k', { a: 1 }]])",
            "new Point(1, { z: 1 })",
            "new Error('no')",
            "/x/g",
            "null",
            "undefined",
            "true",
        ];
        if self.seed.below(3) == 0 { self.seed.pick(NUMBERS).to_owned() } else { self.seed.pick(other).to_owned() }
    }

    /// Returns lists and objects of primitives.
    fn primitives(&mut self, depth: usize) -> String {
        match self.seed.below(if depth == 0 { 2 } else { 5 }) {
            0 => self.seed.pick(NUMBERS).to_owned(),
            1 => self.seed.pick(TEXTS).to_owned(),
            2 => format!("[{}]", self.repeated(8, |values| values.primitives(depth - 1))),
            3 => "circle({ n: 1 })".to_owned(),
            _ => {
                let members =
                    self.repeated(4, |values| format!("{}: {}", values.seed.pick(KEYS), values.primitives(depth - 1)));
                format!("{{ {members} }}")
            }
        }
    }
}
