//! Regular expressions with bounded cost. Every step of a match is counted, so that no pattern makes an execution hang
//! or use memory without bound. ECMA-262 §22.2 RegExp.
//!
//! `syntax.rs` checks a pattern, `parser.rs` and `character_class.rs` compile it to instructions, and `matcher.rs` runs
//! these with the backtracking that JavaScript requires. A match that exceeds its [`MatchBudget`] ends in a limit
//! error.
//!
//! Deviation: class strings of several characters (`\q{…}` and properties of strings under `v`) are not supported. The
//! tests compare results with the crate `regress`, which is larger and has no limits.
//!
//! [`TextRegExp`] is for code outside the machine: it tests ordinary text, by code points.

mod character_class;
mod matcher;
mod parser;
mod syntax;
#[cfg(test)]
mod tests;
mod unicode;

use std::ops::Range;

use runstate_value::sort_by;

use unicode::CharSet;
pub(crate) use unicode::take_number;

use super::limits::ExceededLimit;
use super::text::{Str, Units};

/// Deepest nesting of brackets in a pattern: the parser recurses once per level.
const MAX_NESTING: usize = 200;

/// Most alternatives of one pattern.
const MAX_ALTERNATIVES: usize = 1_000;

/// Most characters of one pattern.
pub(super) const MAX_LENGTH: usize = 65_536;

/// Bytes of an instruction in a list that grows by doubling.
const INSTRUCTION_BYTES: usize = 96;

/// A compiled pattern. ECMA-262 §22.2.2.2 CompilePattern.
#[derive(Debug)]
pub struct CompiledRegExp {
    code: Vec<RegExpInstruction>,
    sets: Vec<CharSet>,
    /// Number of groups, including the whole match.
    groups: usize,
    counters: usize,
    names: Vec<(String, usize)>,
    flags: Flags,
    /// The unit that every match begins with, if it is known.
    first: Option<u16>,
}

/// The flags that affect matching. Modifiers change the first three within a group. ECMA-262 §22.2.2.1.1 RegExp
/// Records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    ignore_case: bool,
    multiline: bool,
    dot_all: bool,
    /// `u` or `v`: matches code points.
    unicode: bool,
    unicode_sets: bool,
}

/// Matches one character. ECMA-262 §22.2.2.7.1 CharacterSetMatcher.
#[derive(Debug, Clone, Copy)]
enum CharMatcher {
    Char(u32),
    Set(usize),
    Any,
    NotLineEnd,
}

/// An instruction of the matcher. Instructions with `back` are in a lookbehind and match to the left.
#[derive(Debug, Clone)]
enum RegExpInstruction {
    Char {
        matcher: CharMatcher,
        back: bool,
    },
    /// One character repeatedly. ECMA-262 §22.2.2.3.1 RepeatMatcher.
    Run {
        matcher: CharMatcher,
        min: u32,
        max: u32,
        greedy: bool,
        back: bool,
    },
    Start {
        multiline: bool,
    },
    End {
        multiline: bool,
    },
    /// With `folds_case`, the two characters beyond ASCII that fold to letters are word characters.
    WordBoundary {
        inverted: bool,
        folds_case: bool,
    },
    /// Records the position as one end of a group.
    Save(usize),
    Jump(usize),
    /// Continues with the next instruction and, if that fails, at the target.
    Split(usize),
    /// Starts a repetition.
    LoopInit(usize),
    /// Runs another iteration or continues at `exit`. An iteration resets the groups within. ECMA-262 §22.2.2.3.1
    /// RepeatMatcher.
    Repeat {
        counter: usize,
        min: u32,
        max: u32,
        greedy: bool,
        exit: usize,
        groups: (usize, usize),
    },
    /// Matches the instructions up to `Match` at this position, then continues at `exit`. ECMA-262 §22.2.2.4
    /// CompileAssertion.
    Lookaround {
        negative: bool,
        exit: usize,
    },
    /// The text of the first of these groups that took part. ECMA-262 §22.2.2.7.2 BackreferenceMatcher.
    Backreference {
        groups: Vec<usize>,
        back: bool,
        ignore_case: bool,
    },
    Match,
}

/// Ranges of a match: the whole match, then its groups.
pub type CaptureRanges = Vec<Option<Range<usize>>>;

/// The steps that the matches of one call may take in total, and the memory that they may use.
#[derive(Debug, Clone)]
pub struct MatchBudget {
    steps: u64,
    granted: u64,
    /// Bytes.
    room: u64,
}

impl MatchBudget {
    /// This many steps, and sixteen for every unit of the text.
    pub fn for_text(steps: u64, text: &Str, room: u64) -> MatchBudget {
        let granted = steps.saturating_add(16 * text.len() as u64);
        MatchBudget { steps: granted, granted, room }
    }

    /// Checks that a list of this size may be allocated.
    fn check_room(&self, bytes: usize) -> Result<(), ExceededLimit> {
        if bytes as u64 > self.room { Err(ExceededLimit::HeapBytes) } else { Ok(()) }
    }

    /// Steps taken so far.
    pub fn steps_taken(&self) -> u64 {
        self.granted - self.steps
    }

    #[inline]
    fn charge(&mut self, steps: u64) -> Result<(), ExceededLimit> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(ExceededLimit::MatchSteps)
            }
        }
    }
}

/// The flags of a regexp in order. `None`: one is unknown or repeated, or two exclude each other. ECMA-262 §22.2.3.3
/// RegExpInitialize.
pub fn order_flags(flags: &Str) -> Option<Str> {
    let mut letters: Vec<u16> = flags.units().iter().collect();
    sort_by(&mut letters, Ord::cmp);
    let has = |letter: u8| letters.contains(&u16::from(letter));
    let are_valid = letters.iter().all(|letter| u8::try_from(*letter).is_ok_and(|l| b"dgimsuvy".contains(&l)));
    let are_exclusive = has(b'u') && has(b'v');
    let is_repeated = letters.windows(2).any(|pair| pair[0] == pair[1]);
    (are_valid && !are_exclusive && !is_repeated).then(|| Str::from_units(&letters))
}

impl CompiledRegExp {
    /// Compiles a pattern. ECMA-262 §22.2.3.3 RegExpInitialize.
    ///
    /// # Errors
    /// A syntax error, or the name of an unsupported feature.
    pub fn new(pattern: &Str, flags: &Str) -> Result<CompiledRegExp, String> {
        let has = |letter: u8| flags.units().iter().any(|unit| unit == u16::from(letter));
        let flags = Flags {
            ignore_case: has(b'i'),
            multiline: has(b'm'),
            dot_all: has(b's'),
            unicode: has(b'u') || has(b'v'),
            unicode_sets: has(b'v'),
        };
        let too_long = || Err(format!("longer than {MAX_LENGTH} characters"));
        // A character has at most two units.
        if pattern.len() > 2 * MAX_LENGTH {
            return too_long();
        }
        let units = pattern.units().iter();
        let points: Vec<u32> = if flags.unicode {
            char::decode_utf16(units)
                .map(|c| c.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
                .collect()
        } else {
            units.map(u32::from).collect()
        };
        if parser::bracket_depth(&points) > MAX_NESTING {
            return Err(format!("brackets nested deeper than {MAX_NESTING}"));
        }
        // The syntax check recurses at every alternative, and it must not overflow the stack of any thread.
        if points.iter().filter(|point| **point == u32::from('|')).count() > MAX_ALTERNATIVES {
            return Err(format!("more than {MAX_ALTERNATIVES} alternatives"));
        }
        if points.len() > MAX_LENGTH {
            return too_long();
        }
        parser::compile(&points, flags)
    }

    /// Approximate bytes of the compiled pattern.
    pub fn weight(&self) -> u64 {
        let names: usize = self.names.iter().map(|(name, _)| 48 + name.len()).sum();
        let sets: usize = self.sets.iter().map(CharSet::weight).sum();
        (128 + INSTRUCTION_BYTES * self.code.len() + names + sets) as u64
    }

    /// Names of groups with their numbers.
    pub fn names(&self) -> &[(String, usize)] {
        &self.names
    }

    /// The first match that begins at `from` or, unless `sticky`, after it. ECMA-262 §22.2.7.2 RegExpBuiltinExec.
    ///
    /// # Errors
    /// The match exceeds the budget.
    pub fn find(
        &self,
        text: &Str,
        from: usize,
        sticky: bool,
        budget: &mut MatchBudget,
    ) -> Result<Option<CaptureRanges>, ExceededLimit> {
        match text.units() {
            Units::Latin(units) => matcher::find(self, units, from, sticky, budget),
            Units::Wide(units) => matcher::find(self, units, from, sticky, budget),
        }
    }

    /// All matches that begin at `from` or after it. With `sticky` each begins where the previous one ends.
    ///
    /// # Errors
    /// The matches exceed the budget.
    pub fn find_all(
        &self,
        text: &Str,
        mut from: usize,
        sticky: bool,
        budget: &mut MatchBudget,
    ) -> Result<Vec<CaptureRanges>, ExceededLimit> {
        let (mut all, mut bytes) = (Vec::new(), 0);
        while from <= text.len() {
            let Some(captures) = self.find(text, from, sticky, budget)? else { break };
            let whole = captures.first().cloned().flatten().unwrap_or(from..from);
            from = if whole.is_empty() { self.advance_index(text, whole.end) } else { whole.end };
            // All matches are held in memory until the last one is found. The texts of their groups follow.
            budget.charge(8 * captures.len() as u64)?;
            bytes += MATCH_BYTES + captures.iter().flatten().map(|range| CAPTURE_BYTES + range.len()).sum::<usize>();
            budget.check_room(bytes)?;
            all.push(captures);
        }
        Ok(all)
    }

    /// ECMA-262 §22.2.7.3 AdvanceStringIndex.
    fn advance_index(&self, text: &Str, at: usize) -> usize {
        let pair = |high: u16, low: u16| (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
        match (text.unit(at), text.unit(at + 1)) {
            (Some(high), Some(low)) if self.flags.unicode && pair(high, low) => at + 2,
            _ => at + 1,
        }
    }
}

/// Bytes of a match and of a part of it, before their texts.
const MATCH_BYTES: usize = 64;
const CAPTURE_BYTES: usize = 24;

/// Bytes that a match outside the machine may use.
const MATCH_ROOM: u64 = 64 << 20;

/// Free steps per unit of the text: a simple pattern needs about as many to scan it.
const STEPS_PER_UNIT: u64 = 8;

/// Checks a literal in a source, whose flags are valid.
///
/// # Errors
/// A syntax error, or the name of an unsupported feature.
pub fn check_regexp(pattern: &str, flags: &str) -> Result<(), String> {
    CompiledRegExp::new(&Str::new(pattern), &Str::new(flags)).map(drop)
}

/// A pattern with the flag `u`, as JSON Schema requires.
#[derive(Debug)]
pub struct TextRegExp(CompiledRegExp);

impl TextRegExp {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The reason why the pattern is refused.
    pub fn new(pattern: &str) -> Result<Self, String> {
        CompiledRegExp::new(&Str::new(pattern), &Str::new("u")).map(Self)
    }

    /// Whether the pattern matches anywhere in `text`. Subtracts from `steps` those beyond eight per unit of the text.
    ///
    /// # Errors
    /// No steps are left.
    pub fn is_match(&self, text: &str, steps: &mut u64) -> Result<bool, ExceededLimit> {
        let text = Str::new(text);
        let free = STEPS_PER_UNIT * text.len() as u64;
        let granted = steps.saturating_add(free);
        let mut budget = MatchBudget { steps: granted, granted, room: MATCH_ROOM };
        let found = self.0.find(&text, 0, false, &mut budget);
        *steps = steps.saturating_sub(budget.steps_taken().saturating_sub(free));
        Ok(found?.is_some())
    }
}

#[cfg(test)]
mod text_regexp_tests {
    use super::*;

    #[test]
    fn regexp_matches_anywhere_by_code_points() {
        for (pattern, text, found) in [
            ("b+", "abc", true),
            ("^b", "abc", false),
            ("^.$", "\u{1f600}", true),
            (r"^\p{Lu}", "Élan", true),
            (r"^\p{Lu}", "élan", false),
            ("", "", true),
        ] {
            let pattern = TextRegExp::new(pattern).unwrap();
            assert_eq!(pattern.is_match(text, &mut 100), Ok(found), "{pattern:?} in {text}");
        }
    }

    #[test]
    fn long_text_is_free_and_backtracking_is_charged() {
        let mut steps = 0;
        let simple = TextRegExp::new("[0-9]$").unwrap();
        assert_eq!(simple.is_match(&"x".repeat(100_000), &mut steps), Ok(false));
        // Without the limit it ends after some million steps.
        let mut steps = 100_000;
        let hostile = TextRegExp::new("^(a+)+$").unwrap();
        assert_eq!(hostile.is_match(&format!("{}b", "a".repeat(20)), &mut steps), Err(ExceededLimit::MatchSteps));
        assert_eq!(steps, 0);
    }

    #[test]
    fn only_steps_beyond_eight_per_unit_are_charged() {
        let backtracks = TextRegExp::new("^(a+)+$").unwrap();
        let text = format!("{}b", "a".repeat(10));
        let mut steps = 100_000;
        assert_eq!(backtracks.is_match(&text, &mut steps), Ok(false));
        let taken = 100_000 - steps;
        assert!(taken > 1_000, "{taken}");
        // A second match needs exactly `taken` steps and fails with one step less.
        for (left, found) in [(taken, Ok(false)), (taken - 1, Err(ExceededLimit::MatchSteps))] {
            let mut steps = left;
            assert_eq!((backtracks.is_match(&text, &mut steps), steps), (found, 0));
        }
    }
}
