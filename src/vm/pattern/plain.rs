//! Patterns for those outside of the machine: over ordinary text, by code points, yes or no.

use super::super::limits::Exceeded;
use super::super::text::Str;
use super::{Budget, Pattern};

/// Steps that a match is given for every unit of its text: what a simple pattern takes to look at each of them.
const STEPS_PER_UNIT: u64 = 8;

/// A pattern with the flag `u`, as JSON Schema wants them.
#[derive(Debug)]
pub struct TextPattern(Pattern);

impl TextPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(pattern: &str) -> Result<Self, String> {
        Pattern::new(&Str::new(pattern), &Str::new("u")).map(Self)
    }

    /// Whether it matches anywhere in `text`. Takes from `steps` what goes beyond eight for every unit of the text.
    ///
    /// # Errors
    /// No steps are left.
    pub fn is_in(&self, text: &str, steps: &mut u64) -> Result<bool, Exceeded> {
        let text = Str::new(text);
        let free = STEPS_PER_UNIT * text.len() as u64;
        let granted = steps.saturating_add(free);
        let mut budget = Budget { steps: granted, granted };
        let found = self.0.find(&text, 0, false, &mut budget);
        *steps = steps.saturating_sub(budget.taken().saturating_sub(free));
        Ok(found?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_looked_for_anywhere_and_by_code_points() {
        for (pattern, text, found) in [
            ("b+", "abc", true),
            ("^b", "abc", false),
            ("^.$", "\u{1f600}", true),
            (r"^\p{Lu}", "Élan", true),
            (r"^\p{Lu}", "élan", false),
            ("", "", true),
        ] {
            let pattern = TextPattern::new(pattern).unwrap();
            assert_eq!(pattern.is_in(text, &mut 100), Ok(found), "{pattern:?} in {text}");
        }
    }

    #[test]
    fn a_long_text_is_free_and_backtracking_is_not() {
        let mut steps = 0;
        let simple = TextPattern::new("[0-9]$").unwrap();
        assert_eq!(simple.is_in(&"x".repeat(100_000), &mut steps), Ok(false));
        // Without the limit it ends after some million steps.
        let mut steps = 100_000;
        let hostile = TextPattern::new("^(a+)+$").unwrap();
        assert_eq!(hostile.is_in(&format!("{}b", "a".repeat(20)), &mut steps), Err(Exceeded::MatchSteps));
        assert_eq!(steps, 0);
    }

    #[test]
    fn steps_beyond_eight_a_unit_are_taken_from_those_that_are_left() {
        let backtracks = TextPattern::new("^(a+)+$").unwrap();
        let text = format!("{}b", "a".repeat(10));
        let mut steps = 100_000;
        assert_eq!(backtracks.is_in(&text, &mut steps), Ok(false));
        let taken = 100_000 - steps;
        assert!(taken > 1_000, "{taken}");
        // What is left is as little as a second match takes, and then one step less.
        for (left, found) in [(taken, Ok(false)), (taken - 1, Err(Exceeded::MatchSteps))] {
            let mut steps = left;
            assert_eq!((backtracks.is_in(&text, &mut steps), steps), (found, 0));
        }
    }
}
