//! Regular expressions, as a machine can afford them: what a match may take is counted step by step, so that no pattern
//! makes an execution hang or take memory without end.
//!
//! A pattern is checked (`syntax.rs`), read into steps (`parse.rs`; what stands for one character: `class.rs`), and those are
//! matched (`matcher.rs`), backtracking as JavaScript demands. A match that takes more than [`Budget`] grants ends in a limit
//! that names itself. The crate `regress` is what the tests compare all this with: it cannot be stopped, and is larger.

mod class;
mod matcher;
mod parse;
mod plain;
mod set;
mod spans;
mod syntax;
mod unicode;

use std::ops::Range;

use super::limits::Exceeded;
use super::text::{Str, Units};
pub use plain::TextPattern;
use set::Set;

/// Brackets within brackets that a pattern may have: who reads it calls himself for each.
const NESTING: usize = 200;

/// Bytes of a step in a list that grows by doubling.
const STEP: usize = 96;

/// A pattern ready to match.
#[derive(Debug)]
pub struct Pattern {
    code: Vec<Step>,
    sets: Vec<Set>,
    /// Number of groups, the whole match included.
    groups: usize,
    counters: usize,
    names: Vec<(String, usize)>,
    flags: Flags,
    /// The unit every match begins with, where that is known.
    first: Option<u16>,
}

impl Pattern {
    /// Bytes that the pattern takes, near enough.
    pub fn weight(&self) -> u64 {
        let names: usize = self.names.iter().map(|(name, _)| 48 + name.len()).sum();
        let sets: usize = self.sets.iter().map(Set::weight).sum();
        (128 + STEP * self.code.len() + names + sets) as u64
    }
}

/// What the flags say of matching.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    multiline: bool,
    dot_all: bool,
    /// `u` or `v`: by code points.
    unicode: bool,
    sets: bool,
}

/// One thing matched against one character.
#[derive(Debug, Clone, Copy)]
enum One {
    Is(u32),
    In(usize),
    Any,
    NotLineEnd,
}

/// A step of the matcher. `back` steps stand in a lookbehind and go to the left.
#[derive(Debug, Clone)]
enum Step {
    One {
        one: One,
        back: bool,
    },
    /// One character again and again.
    Run {
        one: One,
        min: u32,
        max: u32,
        greedy: bool,
        back: bool,
    },
    Start,
    End,
    Word {
        inverted: bool,
    },
    /// Remembers the place as one end of a group.
    Save(usize),
    Jump(usize),
    /// Goes on behind this, and when that fails, there.
    Split(usize),
    /// A repetition begins.
    Begin(usize),
    /// Goes round again or on to `exit`; a new round forgets the groups within.
    Repeat {
        counter: usize,
        min: u32,
        max: u32,
        greedy: bool,
        exit: usize,
        groups: (usize, usize),
    },
    /// What follows up to `Match` is looked for here; then it goes on at `exit`.
    Look {
        negative: bool,
        exit: usize,
    },
    /// What the first of these groups that took part has matched.
    Again {
        groups: Vec<usize>,
        back: bool,
    },
    Match,
}

/// Places of a match: the whole, then its groups.
pub type Places = Vec<Option<Range<usize>>>;

/// What the matches of one call may take in all.
#[derive(Debug, Clone)]
pub struct Budget {
    steps: u64,
    granted: u64,
}

impl Budget {
    /// So many steps, and some for every unit of the text.
    pub fn of(steps: u64, text: &Str) -> Budget {
        let granted = steps.saturating_add(16 * text.len() as u64);
        Budget { steps: granted, granted }
    }

    /// Steps taken.
    pub fn taken(&self) -> u64 {
        self.granted - self.steps
    }

    #[inline]
    fn take(&mut self, steps: u64) -> Result<(), Exceeded> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Exceeded::MatchSteps)
            }
        }
    }
}

/// Alternatives that one pattern may have.
const ALTERNATIVES: usize = 1_000;

/// Characters that one pattern may have.
const LENGTH: usize = 65_536;

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    ///
    /// # Errors
    /// What is wrong with it, or what is not supported.
    pub fn new(pattern: &Str, flags: &Str) -> Result<Pattern, String> {
        let has = |letter: u8| flags.units().iter().any(|unit| unit == u16::from(letter));
        let flags = Flags {
            ignore_case: has(b'i'),
            multiline: has(b'm'),
            dot_all: has(b's'),
            unicode: has(b'u') || has(b'v'),
            sets: has(b'v'),
        };
        let units = pattern.units().iter();
        let points: Vec<u32> = if flags.unicode {
            char::decode_utf16(units)
                .map(|c| c.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
                .collect()
        } else {
            units.map(u32::from).collect()
        };
        if parse::depth(&points) > NESTING {
            return Err(format!("brackets nested deeper than {NESTING}"));
        }
        // The check of the syntax recurses at every alternative; a thread's stack must outlast it wherever a pattern is read.
        if points.iter().filter(|point| **point == u32::from('|')).count() > ALTERNATIVES {
            return Err(format!("more than {ALTERNATIVES} alternatives"));
        }
        if points.len() > LENGTH {
            return Err(format!("longer than {LENGTH} characters"));
        }
        parse::read(&points, flags)
    }

    /// Names of groups and their numbers.
    pub fn names(&self) -> &[(String, usize)] {
        &self.names
    }

    /// The first match that begins at `from` or, unless `sticky`, behind it.
    ///
    /// # Errors
    /// A match that takes more than the budget.
    pub fn find(&self, text: &Str, from: usize, sticky: bool, budget: &mut Budget) -> Result<Option<Places>, Exceeded> {
        match text.units() {
            Units::Latin(units) => matcher::find(self, units, from, sticky, budget),
            Units::Wide(units) => matcher::find(self, units, from, sticky, budget),
        }
    }

    /// All matches from the beginning; sticky ones follow each other without a gap.
    ///
    /// # Errors
    /// Matches that take more than the budget.
    pub fn find_all(&self, text: &Str, sticky: bool, budget: &mut Budget) -> Result<Vec<Places>, Exceeded> {
        let mut all = Vec::new();
        let mut from = 0;
        while from <= text.len() {
            let Some(places) = self.find(text, from, sticky, budget)? else { break };
            let whole = places.first().cloned().flatten().unwrap_or(from..from);
            from = if whole.is_empty() { self.behind(text, whole.end) } else { whole.end };
            // Each match is held until the last one is found.
            budget.take(8 * places.len() as u64)?;
            all.push(places);
        }
        Ok(all)
    }

    fn behind(&self, text: &Str, at: usize) -> usize {
        let pair = |high: u16, low: u16| (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
        match (text.unit(at), text.unit(at + 1)) {
            (Some(high), Some(low)) if self.flags.unicode && pair(high, low) => at + 2,
            _ => at + 1,
        }
    }
}

#[cfg(test)]
mod tests;
