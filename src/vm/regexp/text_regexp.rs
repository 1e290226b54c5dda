//! Patterns for code outside the machine: a test of ordinary text, by code points.

use super::super::limits::ExceededLimit;
use super::super::text::Str;
use super::{Budget, CompiledRegExp};

/// Free steps per unit of the text: a simple pattern needs about as many to scan it.
const STEPS_PER_UNIT: u64 = 8;

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
        let mut budget = Budget { steps: granted, granted };
        let found = self.0.find(&text, 0, false, &mut budget);
        *steps = steps.saturating_sub(budget.steps_taken().saturating_sub(free));
        Ok(found?.is_some())
    }
}

#[cfg(test)]
mod tests {
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
