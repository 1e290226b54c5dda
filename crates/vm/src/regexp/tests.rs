//! Patterns compared with `regress`, and their limits.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::unicode::{CharSet, CodePointSet};
use super::{CaptureRanges, CompiledRegExp, ExceededLimit, Flags, MatchBudget, Str, unicode};

/// The pattern compiled by `regress`.
fn compile_with_regress(points: &[u32], flags: Flags) -> Result<regress::Regex, String> {
    let flags = regress::Flags {
        icase: flags.ignore_case,
        multiline: flags.multiline,
        dot_all: flags.dot_all,
        no_opt: false,
        unicode: flags.unicode,
        unicode_sets: flags.unicode_sets,
    };
    regress::Regex::from_unicode(points.iter().copied(), flags).map_err(|error| error.to_string())
}

fn our_matches(pattern: &CompiledRegExp, text: &Str) -> Vec<CaptureRanges> {
    pattern.find_all(text, 0, false, &mut MatchBudget::for_text(1 << 24, text, u64::MAX)).unwrap()
}

/// All matches that `regress` finds.
fn regress_matches(pattern: &Str, flags: &str, text: &Str) -> Vec<CaptureRanges> {
    let parsed_flags = super::Flags {
        ignore_case: flags.contains('i'),
        multiline: flags.contains('m'),
        dot_all: flags.contains('s'),
        unicode: flags.contains('u'),
        unicode_sets: false,
    };
    let source: Vec<u32> = if parsed_flags.unicode {
        pattern.to_utf8().chars().map(u32::from).collect()
    } else {
        pattern.units().iter().map(u32::from).collect()
    };
    let regex = compile_with_regress(&source, parsed_flags).unwrap();
    let units: Vec<u16> = text.units().iter().collect();
    let captures = |matched: regress::Match| {
        std::iter::once(Some(matched.range())).chain(matched.captures.iter().cloned()).collect::<CaptureRanges>()
    };
    if parsed_flags.unicode {
        regex.find_from_utf16(&units, 0).map(captures).collect()
    } else {
        regex.find_from_ucs2(&units, 0).map(captures).collect()
    }
}

#[track_caller]
fn assert_same_matches(pattern: &str, flags: &str, text: &str) {
    let (source, text) = (Str::new(pattern), Str::new(text));
    let compiled =
        CompiledRegExp::new(&source, &Str::new(flags)).unwrap_or_else(|error| panic!("/{pattern}/{flags}: {error}"));
    assert_eq!(our_matches(&compiled, &text), regress_matches(&source, flags, &text), "/{pattern}/{flags} on {text:?}");
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
            texts.iter().for_each(|text| assert_same_matches(pattern, flags, text));
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
            texts.iter().for_each(|text| assert_same_matches(pattern, flags, text));
        }
    }
}

#[test]
fn case_folding_is_that_of_node() {
    for (pattern, flags, text, matches) in [
        ("\\w", "i", "\u{17f}", false),
        ("\\w", "iu", "\u{17f}", true),
        ("s", "i", "\u{17f}", false),
        ("\u{17f}", "i", "s", false),
        ("s", "iu", "\u{17f}", true),
        ("\\b", "iu", "\u{212a}", true),
        ("(k)\\1", "iu", "k\u{212a}", true),
        ("(k)\\1", "i", "kK", true),
        // Without `u`: the upper case of these has several units, or is ASCII.
        ("\u{1f80}", "i", "\u{1f88}", false),
        ("[\u{1f80}]", "i", "\u{1f88}", false),
        ("[^\u{1f80}]", "i", "\u{1f88}", true),
        ("(\u{1f80})\\1", "i", "\u{1f80}\u{1f88}", false),
        ("\u{1f80}", "iu", "\u{1f88}", true),
        ("\u{1ff3}", "i", "\u{1ffc}", false),
        ("\u{131}", "i", "I", false),
        ("I", "i", "\u{131}", false),
        ("(i)\\1", "i", "i\u{131}", false),
        ("[h-j]", "i", "\u{131}", false),
        ("ß", "i", "\u{1e9e}", false),
        ("[ß]", "i", "\u{1e9e}", false),
        ("ß", "iu", "\u{1e9e}", true),
        ("[k]", "i", "\u{212a}", false),
        ("[\u{212a}]", "i", "\u{212a}", true),
        ("\u{2126}", "i", "ω", false),
        ("[\u{2126}]", "i", "ω", false),
        ("[\u{2126}]", "iu", "ω", true),
        ("[\u{345}]", "i", "\u{3b9}", true),
        ("[\u{1c5}]", "i", "\u{1c6}", true),
        ("\u{10400}", "i", "\u{10428}", false),
        ("\u{10400}", "iu", "\u{10428}", true),
        ("[\\W]", "i", "s", false),
        ("\\W", "i", "\u{17f}", true),
        ("[\\W]", "iu", "s", false),
        ("\\W", "iu", "\u{17f}", false),
        ("[^\\W]", "iu", "\u{212a}", true),
        // With `v`, classes are operations on sets that have all case variants.
        ("\\P{Lu}", "iu", "a", true),
        ("\\P{Lu}", "iv", "a", false),
        ("[\\P{Lu}]", "iv", "1", true),
        ("[^\\P{Lu}]", "iv", "a", true),
        ("[\\w--[k]]", "iv", "K", false),
        ("[\\w--[k]]", "iv", "\u{212a}", false),
        ("[[^k]]", "iv", "K", false),
        ("[[a-z]&&[K]]", "iv", "k", true),
        ("[\\p{L}--[A]]", "iv", "a", false),
        ("[^\\W]", "i", "\u{17f}", false),
    ] {
        let compiled = CompiledRegExp::new(&Str::new(pattern), &Str::new(flags)).unwrap();
        assert_eq!(!our_matches(&compiled, &Str::new(text)).is_empty(), matches, "/{pattern}/{flags} on {text}");
    }
}

#[test]
fn modifiers_match_as_in_regress() {
    for (pattern, flags, text) in [
        ("a(?i:b)c", "", "abc aBc aBC Abc"),
        ("a(?-i:b)c", "i", "ABC AbC abc"),
        ("(?i:a(?-i:b)c)d", "", "AbCd ABCd abcD"),
        ("(?m:^a$)", "", "b\na\nc"),
        ("(?-m:^a$)|^b$", "m", "a\nb\na"),
        ("a(?s:.)b(.)c", "", "a\nb\nc a\nbxc"),
        ("a(?-s:.)b", "s", "a\nb axb"),
        ("(?im-s:^A.b)|.c", "s", "x\nayb a\nb\nc"),
        ("(a)(?i:\\1)\\1", "", "aAa aAA aaa"),
        ("[ab](?i:[ab]x)[ab]", "", "aBXb aBXB"),
        ("(?i:[^a])", "", "aAb"),
        ("(?i:k)(?i:\\b)", "u", "\u{212a} k"),
        ("(?i:(?<x>A))\\k<x>", "", "aa aA"),
        ("(?i:a)+b", "", "aAaAb"),
        ("(?i:a|b)*?c", "", "aBc"),
        ("(?<=(?i:A))b", "", "ab Ab"),
        ("(?i-:a)", "", "A"),
    ] {
        assert_same_matches(pattern, flags, text);
    }
    for pattern in
        ["(?ii:a)", "(?-:a)", "(?i-i:a)", "(?i--m:a)", "(?u:a)", "(?i)a", "(?i", "(?i-", "(?g-i:a)", "(?I:a)"]
    {
        assert!(CompiledRegExp::new(&Str::new(pattern), &Str::empty()).is_err(), "{pattern}");
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
            assert_same_matches(&pattern, "", text);
        }
    }
}

fn compile(pattern: &str) -> CompiledRegExp {
    CompiledRegExp::new(&Str::new(pattern), &Str::empty()).unwrap_or_else(|error| panic!("/{pattern}/: {error}"))
}

/// The steps of a search for the first match.
fn cost(pattern: &str, text: &str) -> u64 {
    let mut budget = MatchBudget { steps: 1 << 32, granted: 1 << 32, room: u64::MAX };
    compile(pattern).find(&Str::new(text), 0, false, &mut budget).unwrap();
    budget.steps_taken()
}

/// Steps of matches are charged as instructions of an execution, so the cost of an operation must never change.
#[test]
fn each_kind_of_work_costs_its_steps() {
    let a = |count: usize| "a".repeat(count);
    let b = || "b".to_owned();
    for (case, (pattern, text), (less_pattern, less_text), steps) in [
        ("a run: a quarter of a step for each character", ("^a*$", a(4_000)), ("^a*$", a(0)), 1_000),
        ("a run of a fixed length", ("^a{4000}$", a(4_000)), ("^a{4}$", a(4)), 1_000 - 1),
        // After the failure, 4,000 characters are searched for another start.
        ("a run that is too short", ("ba{4001}", b() + &a(4_000)), ("ba{5}", b() + &a(4)), 1_000 - 1 + 500),
        ("a lazy run: two steps for each character", ("^a*?$", a(1_000)), ("^a*?$", a(0)), 2 * 1_000),
        (
            "a back reference: a step for each unit",
            ("^(a*)b\\1$", a(400) + "b" + &a(400)),
            ("^(a*)b\\1$", b()),
            100 + 400,
        ),
        (
            "a back reference whose first unit differs",
            ("^(a*)b(?:\\1|)", a(400) + "b" + &"c".repeat(400)),
            ("^(a*)b(?:\\1|)", b()),
            100 + 400,
        ),
        ("the search for the first unit: an eighth of a step", ("b", a(8_000) + "b"), ("b", b()), 1_000),
        ("the search for a first unit that does not occur", ("b", a(8_000)), ("b", a(0)), 1_000),
        ("each beginning: a step, two that are tried, and one back", ("[b]", a(1_000)), ("[b]", a(0)), 4 * 1_000),
    ] {
        assert_eq!(cost(pattern, &text) - cost(less_pattern, &less_text), steps, "{case}");
    }
}

/// Without a limit each of these ends after some million steps, so without one this test fails and does not hang.
#[test]
fn backtracking_ends_at_the_limit() {
    for (pattern, text) in [
        ("(a+)+$", "a".repeat(16) + "b"),
        ("(a|a)*$", "a".repeat(15) + "b"),
        ("(a*)*\\1b", "a".repeat(14)),
        ("a*a*a*a*a*b", "a".repeat(24)),
        ("(?:(?:a{0,9}){0,9}){0,9}b", "a".repeat(9)),
        ("(?=(a+)+$)x", "a".repeat(16) + "b"),
        ("(?:){200000}b", "a".to_owned()),
    ] {
        let unlimited = cost(pattern, &text);
        assert!((100_000..5_000_000).contains(&unlimited), "/{pattern}/: {unlimited} steps");
        let mut budget = MatchBudget { steps: 10_000, granted: 10_000, room: u64::MAX };
        let found = compile(pattern).find(&Str::new(&text), 0, false, &mut budget);
        assert!(matches!(found, Err(ExceededLimit::MatchSteps)), "/{pattern}/: {found:?}");
        assert_eq!(budget.steps_taken(), 10_000);
    }
}

#[test]
fn a_match_fails_where_the_budget_lacks_a_step() {
    for (pattern, text) in [
        ("a", "a"),
        ("[ab]c", "xac"),
        ("a*b", "aaab"),
        ("^a+?b$", "aaab"),
        ("(a)|b", "b"),
        ("\\bab\\B", "abc"),
        ("(?:a|ab)(?:c|bcd)", "abcd"),
        ("(a+)+$", "aaab"),
        ("(?=a)a", "a"),
        ("(?!b)a", "a"),
        ("(?<=a)b", "ab"),
        ("(a)\\1", "aa"),
        ("(?:ab){2,3}", "ababab"),
        ("(?:ab){2,3}?c", "ababc"),
    ] {
        let (text, compiled) = (Str::new(text), compile(pattern));
        let find = |steps: u64| {
            let mut budget = MatchBudget { steps, granted: steps, room: u64::MAX };
            (compiled.find(&text, 0, false, &mut budget), budget.steps_taken())
        };
        let (found, cost) = find(1 << 20);
        assert!(cost > 2, "/{pattern}/ takes {cost} steps");
        assert_eq!(find(cost), (found, cost), "/{pattern}/");
        for steps in 0..cost {
            assert_eq!(find(steps), (Err(ExceededLimit::MatchSteps), steps), "/{pattern}/");
        }
    }
}

#[test]
fn backtracking_trail_limit_ends_the_match() {
    let text = Str::new(&"ab".repeat(3_000_000));
    let found = compile("(?:a|b)*").find(&text, 0, false, &mut MatchBudget::for_text(1 << 20, &text, u64::MAX));
    assert!(matches!(found, Err(ExceededLimit::MatchSteps)));
}

#[test]
fn a_long_text_is_matched_within_the_budget() {
    let text = Str::new(&("word, ".repeat(50_000) + "\"" + &"y".repeat(500) + "\""));
    for pattern in ["\\w+", "(\\w+), ", "\"(?:[^\"\\\\]|\\\\.)*\"", "[^,]*", "\\s+$", "^.*$", "x"] {
        let found = compile(pattern).find_all(&text, 0, false, &mut MatchBudget::for_text(1 << 20, &text, u64::MAX));
        assert!(found.is_ok(), "{pattern}");
    }
}

#[test]
fn all_matches_share_a_budget_and_cost_eight_steps_a_group() {
    let cost = |pattern: &str, text: &str| {
        let mut budget = MatchBudget { steps: 1 << 32, granted: 1 << 32, room: u64::MAX };
        compile(pattern).find_all(&Str::new(text), 0, false, &mut budget).unwrap();
        budget.steps_taken()
    };
    // Each of a hundred matches takes five steps, and eight for the whole match. A group takes two steps more, and
    // eight.
    let text = "a".repeat(100);
    assert_eq!(cost("[a]", &text) - cost("[a]", ""), 100 * (5 + 8));
    assert_eq!(cost("([a])", &text) - cost("([a])", ""), 100 * (7 + 16));
    let text = Str::new("0123456789");
    assert_eq!(MatchBudget::for_text(100, &text, 0).steps, 100 + 16 * 10);
}

#[test]
fn brackets_nested_too_deep_are_refused() {
    let deep = "(".repeat(100_000) + &")".repeat(100_000);
    assert!(CompiledRegExp::new(&Str::new(&deep), &Str::empty()).is_err());
}

#[test]
fn patterns_of_hostile_size_are_refused() {
    let compile = |pattern: &str| CompiledRegExp::new(&Str::new(pattern), &Str::new("")).map(|_| ());
    assert_eq!(compile(&"a|".repeat(1_000)), Ok(()));
    assert_eq!(compile(&"a|".repeat(30_000)), Err("more than 1000 alternatives".to_owned()));
    assert_eq!(compile(&"a".repeat(70_000)), Err("longer than 65536 characters".to_owned()));
}

fn points(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

/// Compares the members of `among` that an atom matches with those that `regress` matches.
#[track_caller]
fn assert_same_members(source: &[u32], flags: Flags, among: impl Iterator<Item = u32>) {
    let ours = CharSet::new(source, flags).unwrap();
    let theirs = compile_with_regress(&[&points("^(?:"), source, &points(")$")].concat(), flags).unwrap();
    for point in among {
        let mut pair = [0; 2];
        let units = match (u16::try_from(point), char::from_u32(point)) {
            (Ok(unit), _) => &[unit][..],
            (_, Some(character)) => character.encode_utf16(&mut pair),
            _ => continue,
        };
        let found = theirs.find_from_utf16(units, 0).next().is_some();
        assert_eq!(ours.contains(point), found, "{source:x?} {flags:?} on U+{point:04X}");
    }
}

#[test]
fn properties_are_those_of_regress() {
    let flags = Flags { unicode: true, ..Flags::default() };
    let edges = unicode::edges();
    for (kind, names) in unicode::names() {
        let name = match kind {
            b's' => "sc=",
            b'x' => "scx=",
            b'g' => "gc=",
            _ => "",
        };
        for value in names.split(' ') {
            assert!(CharSet::new(&points(&format!("\\p{{{name}{value}}}")), flags).is_ok(), "{name}{value}");
        }
        let value = names.split(' ').next().unwrap();
        let among = edges.iter().flat_map(|edge| [edge.saturating_sub(1), *edge]);
        assert_same_members(&points(&format!("\\p{{{name}{value}}}")), flags, among);
    }
}

#[test]
fn case_variants_equal_those_of_regress() {
    let flags = Flags { ignore_case: true, unicode: true, ..Flags::default() };
    for (from, to) in unicode::case_pairs(true) {
        for source in [vec![from], vec![to], vec![0x5b, from, 0x5d], vec![0x5b, 0x5e, to, 0x5d]] {
            assert_same_members(&source, flags, [from, to, 0x53, 0x6b, 0x3c3].into_iter());
        }
    }
}

/// The expected form is Canonicalize with the standard library in place of toUppercase. Patterns are not compared with
/// `regress` here: it uses simple upper case.
#[test]
fn case_variants_without_u_have_one_unit_of_upper_case() {
    let canonical = |point: u32| match char::from_u32(point).map(|char| char.to_uppercase().collect::<Vec<_>>()) {
        Some(upper) if upper.len() == 1 && !(point >= 128 && upper[0].is_ascii()) => u32::from(upper[0]),
        _ => point,
    };
    let mut variants: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
    for unit in 0..=0xffff {
        variants.entry(canonical(unit)).or_default().push(unit);
        assert_eq!(unicode::fold_case(unit, false), canonical(unit), "U+{unit:04X}");
    }
    let flags = Flags { ignore_case: true, ..Flags::default() };
    for variants in variants.values().filter(|variants| variants.len() > 1 || canonical(variants[0]) != variants[0]) {
        let expected = CodePointSet::from_points(variants.clone());
        for unit in variants {
            for source in [vec![*unit], vec![0x5b, *unit, 0x5d]] {
                assert_eq!(CharSet::new(&source, flags).unwrap().members(), &expected, "{source:x?}");
            }
            let inverted = CharSet::new(&[0x5b, 0x5e, *unit, 0x5d], flags).unwrap();
            assert_eq!(inverted.members(), &expected.complement(), "[^U+{unit:04X}]");
        }
    }
}

#[test]
fn syntax_check_accepts_what_regress_accepts() {
    let mut seed = 11u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let tokens = [
        "a",
        "é",
        "(",
        ")",
        ")",
        "(?:",
        "(?=",
        "(?!",
        "(?<=",
        "(?<!",
        "(?<n>",
        "(?",
        "|",
        "[",
        "[",
        "[^",
        "]",
        "]",
        "]",
        "-",
        "^",
        "$",
        ".",
        "\\d",
        "\\W",
        "\\s",
        "\\1",
        "\\2",
        "\\0",
        "\\01",
        "\\8",
        "\\377",
        "\\x4",
        "\\x41",
        "\\u0041",
        "\\u004",
        "\\cA",
        "\\c",
        "\\k<n>",
        "\\k",
        "{",
        "}",
        "{1}",
        "{1,}",
        "{2,1}",
        "{1,2}",
        "{1,",
        "*",
        "+",
        "?",
        "\\-",
        "\\/",
        "\\p{L}",
        "\\p{Foo}",
        "\\P{Lu}",
        "\\p{sc=Grek}",
        "\\",
        "z",
    ];
    let text = Str::new("aé-^z0A\u{1}(]\\c {1}\u{3b1}Z1x4");
    let mut accepted = 0;
    for _ in 0..6_000 {
        let pattern: String = (0..=next(7)).map(|_| tokens[next(tokens.len())]).collect();
        for flags in ["", "i", "u", "iu"] {
            let unicode = flags.contains('u');
            let parsed_flags = Flags { unicode, ignore_case: flags.contains('i'), ..Flags::default() };
            let source = Str::new(&pattern);
            let ours = CompiledRegExp::new(&source, &Str::new(flags));
            let theirs = compile_with_regress(&points(&pattern), parsed_flags);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "/{pattern}/{flags}: {:?}, {:?}", ours.err(), theirs.err());
            if let Ok(compiled) = ours {
                accepted += 1;
                assert_eq!(
                    our_matches(&compiled, &text),
                    regress_matches(&source, flags, &text),
                    "/{pattern}/{flags} on {text:?}"
                );
            }
        }
    }
    assert!(accepted > 1_500, "{accepted}");
}

#[test]
fn class_set_operations_follow_ecma_262() {
    for (pattern, text, matches) in [
        ("[\\p{L}--[a-z]]", "a", false),
        ("[\\p{L}--[a-z]]", "é", true),
        ("[[a-z]&&[aeiou]]", "e", true),
        ("[[a-z]&&[aeiou]]", "x", false),
        ("[^[a-c]d]", "d", false),
        ("[a&b]", "a", true),
        ("[a-c\\&\\-]", "-", true),
        ("[[a-z]--b--c]", "c", false),
        ("[^\\d]", "5", false),
    ] {
        let compiled = CompiledRegExp::new(&Str::new(pattern), &Str::new("v"))
            .unwrap_or_else(|error| panic!("/{pattern}/v: {error}"));
        assert_eq!(!our_matches(&compiled, &Str::new(text)).is_empty(), matches, "/{pattern}/v on {text}");
    }
    for refused in
        ["[a-z--b]", "[a&&&b]", "[a--b&&c]", "[(]", "[a-]", "[&&]", "[a", "[\\q{ab}]", "\\p{RGI_Emoji}", "[b-a]"]
    {
        assert!(CompiledRegExp::new(&Str::new(refused), &Str::new("v")).is_err(), "/{refused}/v");
    }
}

#[test]
fn patterns_that_node_refuses_are_refused() {
    for (pattern, flags) in [
        ("\\b+", ""),
        ("(?<a>x)(?<a>y)", ""),
        ("(?<a>x(?<a>y))", ""),
        ("(?<1>x)", ""),
        ("(?<>x)", ""),
        ("(?<a", ""),
        ("(?<a>)\\k<b>", ""),
        ("(?i)a", ""),
        ("\\u{110000}", "u"),
        ("\\u{}", "u"),
        ("(?=a)*", "u"),
    ] {
        assert!(CompiledRegExp::new(&Str::new(pattern), &Str::new(flags)).is_err(), "/{pattern}/{flags}");
    }
    for (pattern, text) in
        [("\\u{2}", "uu"), ("[\\u{61}]", "{"), ("(?:(?<a>x)|(?<a>y))\\k<a>", "yy"), ("(?<ö\\u0061>x)", "x")]
    {
        let compiled = CompiledRegExp::new(&Str::new(pattern), &Str::empty()).unwrap();
        assert!(!our_matches(&compiled, &Str::new(text)).is_empty(), "/{pattern}/");
    }
}
