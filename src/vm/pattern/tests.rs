//! Patterns against what `regress` makes of them, and their limits.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Budget, Exceeded, Pattern, Places, Str, set};

fn ours(pattern: &Pattern, text: &Str) -> Vec<Places> {
    pattern.find_all(text, false, &mut Budget::of(1 << 24, text)).unwrap()
}

/// All matches as `regress` finds them.
fn theirs(pattern: &Str, flags: &str, text: &Str) -> Vec<Places> {
    let set_flags = super::Flags {
        ignore_case: flags.contains('i'),
        multiline: flags.contains('m'),
        dot_all: flags.contains('s'),
        unicode: flags.contains('u'),
        sets: false,
    };
    let source: Vec<u32> = if set_flags.unicode {
        pattern.to_utf8().chars().map(u32::from).collect()
    } else {
        pattern.units().iter().map(u32::from).collect()
    };
    let regex = set::checked(&source, set_flags).unwrap();
    let units: Vec<u16> = text.units().iter().collect();
    let places = |matched: regress::Match| {
        std::iter::once(Some(matched.range())).chain(matched.captures.iter().cloned()).collect::<Places>()
    };
    if set_flags.unicode {
        regex.find_from_utf16(&units, 0).map(places).collect()
    } else {
        regex.find_from_ucs2(&units, 0).map(places).collect()
    }
}

#[track_caller]
fn same(pattern: &str, flags: &str, text: &str) {
    let (source, text) = (Str::new(pattern), Str::new(text));
    let compiled =
        Pattern::new(&source, &Str::new(flags)).unwrap_or_else(|error| panic!("/{pattern}/{flags}: {error}"));
    assert_eq!(ours(&compiled, &text), theirs(&source, flags, &text), "/{pattern}/{flags} on {text:?}");
}

#[test]
fn matches_are_those_of_regress() {
    let texts = [
        "",
        "a",
        "aaab",
        "abcabc\nabd",
        "foo bar  baz_1 qux",
        "2024-01-15T10:20:30Z",
        "key=\"va\\\"lue\", other='x'",
        "ÀÉîß αΑω",
        "a😀b😁\u{2028}c",
        "xxyyxx abab {1} [a] ^b-c \\d \u{7}\u{8} \0 8 9",
        "Kk Ss",
        "user@example.com, b.c@d.org",
    ];
    let patterns = [
        "",
        "a",
        "a*",
        "a+?",
        "a??b",
        "(a)|b",
        "(a|ab)(c|bcd)*",
        "(?:a|b)+",
        "^a",
        "a$",
        "^",
        "$",
        "\\b",
        "\\B",
        "\\w+",
        "\\W",
        "\\d{2,4}",
        "\\d{2}",
        "a{2,}",
        "a{0}b",
        "(a*)*",
        "(a*)+b",
        "(?:a?)*?b",
        "(?:){3}a",
        "((a)|(b))+",
        "(z)?(a)?",
        "(?=a)\\w",
        "(?!a)\\w+",
        "(?<=a)b",
        "(?<!a)b",
        "(?<=(\\w)(\\w))c",
        "(?<=\\1(a))b",
        "(a)\\1",
        "(\\w)\\1",
        "\\1(a)",
        "(?<x>a)(?<y>b)\\k<x>?",
        ".",
        ".+",
        "[^]",
        "[]",
        "[a-c]+",
        "[^a-c\\s]+",
        "[\\]\\\\\\[]",
        "[\\d\\-x]",
        "(\\d+)-(\\d+)",
        "\\s+",
        "\\S+",
        "x{1",
        "x{1,a}",
        "\\x61",
        "\\u0061",
        "\\cG",
        "\\0",
        "\\8",
        "\\7",
        "\\10",
        "\\^b",
        "\\.",
        "(?:(a)|b)*",
        "(?:a|(b))*?c",
        "(?=(a+))a*b\\1",
        "\"(?:[^\"\\\\]|\\\\.)*\"",
        "(\\w+)@(\\w+)\\.(?:com|org)",
        "[k]",
        "s",
        "ſ",
        "[α-ω]+",
        "ß",
        "(k)\\1",
        "a.c",
        "😀",
        "[😀]",
        "a.b",
        "(?=a)*a",
        "(?:a|ab|abc)(?=c)",
        "(?<!\\w)\\w{3}(?!\\w)",
    ];
    for pattern in patterns {
        for flags in ["", "i", "m", "s", "im"] {
            texts.iter().for_each(|text| same(pattern, flags, text));
        }
    }
    let patterns = [
        "a",
        "(a|ab)(c|bcd)*",
        "\\w+",
        "[^a]",
        ".",
        ".+?b",
        "\\u{1F600}",
        "\\uD83D\\uDE00",
        "[😀-😂]+",
        "\\p{L}+",
        "\\P{L}",
        "[\\p{Lu}x]",
        "(?<=.)b",
        "(?<=😀)b",
        "(.)\\1",
        "k",
        "\\b",
        "[^\\p{L}]*$",
        "(?<ä>a)\\k<ä>",
        ".*",
        ".{2}",
        "(?<=.{2})b",
        "ſ",
        "\\W+",
    ];
    for pattern in patterns {
        for flags in ["u", "iu", "su"] {
            texts.iter().for_each(|text| same(pattern, flags, text));
        }
    }
}

#[test]
fn case_folding_is_that_of_node() {
    for (pattern, flags, text, matches) in [
        ("\\w", "i", "\u{17f}", false),
        ("\\w", "iu", "\u{17f}", true),
        ("s", "i", "\u{17f}", false),
        ("s", "iu", "\u{17f}", true),
        ("\\b", "iu", "\u{212a}", true),
        ("(k)\\1", "iu", "k\u{212a}", true),
        ("(k)\\1", "i", "kK", true),
    ] {
        let compiled = Pattern::new(&Str::new(pattern), &Str::new(flags)).unwrap();
        assert_eq!(!ours(&compiled, &Str::new(text)).is_empty(), matches, "/{pattern}/{flags} on {text}");
    }
}

#[test]
fn random_patterns_match_as_in_regress() {
    let mut seed = 7u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let atoms = [
        "a", "b", ".", "[ab]", "(a)", "(?:ab|a)", "(b|)", "\\b", "^", "$", "(?=a)", "(?!b)", "(?<=a)", "(a*)", "\\1",
        "[^a]",
    ];
    let counts = ["", "", "", "*", "+", "?", "*?", "+?", "{1,2}", "{2}"];
    for _ in 0..300 {
        let mut pattern = String::from("(a?)");
        let mut open = 0;
        for _ in 0..next(7) {
            match next(6) {
                0 => {
                    pattern.push_str(if next(2) == 0 { "(" } else { "(?:" });
                    open += 1;
                }
                1 if open > 0 => {
                    pattern.push(')');
                    open -= 1;
                    pattern.push_str(counts[next(10) as usize]);
                }
                2 => pattern.push('|'),
                _ => {
                    let atom = atoms[next(16) as usize];
                    pattern.push_str(atom);
                    if !matches!(atom, "\\b" | "^" | "$" | "(?<=a)") {
                        pattern.push_str(counts[next(10) as usize]);
                    }
                }
            }
        }
        pattern.extend(std::iter::repeat_n(')', open));
        for text in ["aabab", "bba", "abaabba"] {
            same(&pattern, "", text);
        }
    }
}

#[test]
fn what_backtracks_without_end_is_stopped() {
    for (pattern, text) in [
        ("(a+)+$", "a".repeat(40) + "b"),
        ("(a|a)*$", "a".repeat(40) + "b"),
        ("(a*)*\\1b", "a".repeat(40)),
        ("a*a*a*a*a*b", "a".repeat(5000)),
        ("(?:(?:a{0,1000}){0,1000}){0,1000}b", "a".repeat(3000)),
        ("(?=(a+)+$)x", "a".repeat(40) + "b"),
        ("(?:a|b)*", "ab".repeat(3_000_000)),
        ("(?:){4000000000}b", "a".to_owned()),
    ] {
        let pattern = Pattern::new(&Str::new(pattern), &Str::empty()).unwrap();
        let text = Str::new(&text);
        let found = pattern.find(&text, 0, false, &mut Budget::of(1 << 20, &text));
        assert!(matches!(found, Err(Exceeded::MatchSteps)), "{pattern:?}");
    }
    // What is long and harmless is not.
    let text = Str::new(&("word, ".repeat(50_000) + "\"" + &"y".repeat(500) + "\""));
    for pattern in ["\\w+", "(\\w+), ", "\"(?:[^\"\\\\]|\\\\.)*\"", "[^,]*", "\\s+$", "^.*$", "x"] {
        let compiled = Pattern::new(&Str::new(pattern), &Str::empty()).unwrap();
        assert!(compiled.find_all(&text, false, &mut Budget::of(1 << 20, &text)).is_ok(), "{pattern}");
    }
    let deep = "(".repeat(100_000) + &")".repeat(100_000);
    assert!(Pattern::new(&Str::new(&deep), &Str::empty()).is_err());
}

#[test]
fn a_pattern_of_hostile_size_is_refused_and_one_of_many_words_is_not() {
    let read = |pattern: &str| Pattern::new(&Str::new(pattern), &Str::new("")).map(|_| ());
    assert_eq!(read(&"a|".repeat(1_000)), Ok(()));
    assert_eq!(read(&"a|".repeat(200_000)), Err("more than 1000 alternatives".to_owned()));
    assert_eq!(read(&"a".repeat(70_000)), Err("longer than 65536 characters".to_owned()));
}
