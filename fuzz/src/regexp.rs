//! Regular expressions: the parser on any pattern, and the matcher within its bounds.

use std::sync::{Arc, LazyLock};

use runstate::vm::{Limits, Machine, StopReason, TextRegExp, TurnContext, VerifiedProgram};
use serde_json::json;

use super::machine::LIMITS;
use super::{Choices, InputOutcome};

/// Uses a pattern in every way that a program can.
const SOURCE: &str = r"
const { pattern, flags, text } = input;
const re = new RegExp(pattern, flags);
console.log('compiled');
re.test(text);
const m = re.exec(text);
if (m !== null && text.slice(m.index, m.index + m[0].length) !== m[0]) throw new TypeError('wrong index');
text.match(re);
text.search(re);
text.split(re, 50);
text.replace(re, '[$&$1$<n>]');
text.replace(re, (...all) => String(all.length));
if (flags.includes('g')) {
    for (const one of text.matchAll(re)) {
        if (text.slice(one.index, one.index + one[0].length) !== one[0]) throw new TypeError('wrong index');
    }
    text.replaceAll(re, 'x');
}
";

static PROGRAM: LazyLock<Arc<VerifiedProgram>> = LazyLock::new(|| {
    let bytecode = runstate::lang::compile("regexp.ts", SOURCE).unwrap().bytecode;
    Arc::new(VerifiedProgram::decode(&bytecode).unwrap())
});

/// Parts of patterns.
const PARTS: [&str; 56] = [
    "a",
    "b",
    "é",
    "😀",
    ".",
    "^",
    "$",
    "|",
    "(",
    ")",
    "(?:",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?<n>",
    "[",
    "]",
    "[^",
    "-",
    "a-z",
    "\\d",
    "\\W",
    "\\s",
    "\\b",
    "\\B",
    "\\1",
    "\\2",
    "\\k<n>",
    "\\u{1f600}",
    "\\u0061",
    "\\ud83d",
    "\\x41",
    "\\cA",
    "\\0",
    "\\p{Lu}",
    "\\P{Script=Greek}",
    "\\p{L}",
    "&&",
    "--",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "{2}",
    "{1,3}",
    "{0,}",
    "{3,1}",
    "{4294967296}",
    "{",
    "}",
    "\\",
    "/",
    "(a+)+",
    "(a|ab)*",
];

const FLAGS: [&str; 12] = ["", "g", "i", "m", "s", "u", "v", "y", "gi", "giu", "gimsuy", "dgv"];

/// Texts beside those that are made of the pattern's own parts.
const TEXTS: [&str; 6] =
    ["", "aaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaab", "a😀b\u{1f601}c\nAB é", "Kk ſs ß ΑαΩ", "key=\"va\\\"lue\", a-b"];

/// The parser and the matcher of regular expressions.
pub fn regexp(data: &[u8]) -> InputOutcome {
    let mut choices = Choices(data);
    let mut pattern = String::new();
    for _ in 0..choices.below(12) {
        match choices.below(8) {
            0 => pattern.push_str(&choices.text(3)),
            _ => pattern.push_str(choices.pick::<&str>(&PARTS)),
        }
    }
    let flags = *choices.pick::<&str>(&FLAGS);
    let text = match choices.below(2) {
        0 => (*choices.pick::<&str>(&TEXTS)).to_owned(),
        _ => (0..choices.below(20)).map(|_| *choices.pick::<&str>(&PARTS[..11])).collect(),
    };

    if let Ok(compiled) = TextRegExp::new(&pattern) {
        let mut steps = 20_000;
        let found = compiled.is_match(&text, &mut steps);
        assert!(found.is_ok() || steps == 0, "{pattern}");
    }
    let input = json!({"pattern": pattern, "flags": flags, "text": text});
    let limits = Limits { instructions: 200_000, ..LIMITS };
    let mut machine = Machine::start(PROGRAM.clone(), &input, [7; 32], limits).unwrap();
    let stop = machine.run(u64::MAX, &TurnContext { now_ms: 0 });
    let is_compiled = machine.take_output() == ["compiled"];
    match stop {
        StopReason::Complete(_) => assert!(is_compiled),
        StopReason::Failed(failure) => {
            let is_limit = failure.message.contains("limit reached");
            assert!(is_limit || !is_compiled && failure.name == "SyntaxError", "{input}: {failure:?}");
        }
        stop => panic!("{input}: {stop:?}"),
    }
    if is_compiled { InputOutcome::Accepted } else { InputOutcome::Refused }
}
