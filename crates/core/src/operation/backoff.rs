//! When failed work is retried.

use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Parameters;
use crate::decision::Ctx;

/// When failed work is retried: after `initial`, then after twice as long each time, at most `longest`, until
/// `attempts` attempts were made. Each wait is shortened at random by up to half ("equal jitter": Brooker, "Exponential
/// Backoff And Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct Backoff {
    /// Number of attempts in total.
    pub attempts: u32,
    /// The first wait, in milliseconds.
    #[operation(name = "initialMs")]
    #[schemars(rename = "initialMs")]
    pub initial: Millis,
    /// The longest wait, in milliseconds.
    #[operation(name = "longestMs")]
    #[schemars(rename = "longestMs")]
    pub longest: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 5, initial: Millis::seconds(1), longest: Millis::minutes(5) }
    }
}

impl Backoff {
    /// When work with this number of attempts is retried; `None`: never.
    pub fn next_attempt_at(self, attempts: u32, ctx: &Ctx) -> Option<Timestamp> {
        if attempts >= self.attempts {
            return None;
        }
        let doubled = 1i64.checked_shl(attempts.saturating_sub(1).min(62)).unwrap_or(i64::MAX);
        let wait = self.initial.0.max(0).saturating_mul(doubled).min(self.longest.0.max(0));
        let [a, b, c, d, ..] = ctx.seed("jitter");
        let random = i128::from(u32::from_be_bytes([a, b, c, d]));
        let reduction = i128::from(wait / 2) * random / i128::from(u32::MAX);
        Some(ctx.now + Millis(wait - i64::try_from(reduction).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::EngineSettings;
    use crate::id::CommandId;

    #[test]
    fn backoff_doubles_up_to_the_longest_with_equal_jitter() {
        let backoff = Backoff { attempts: 40, initial: Millis(100), longest: Millis(1_000) };
        for (attempts, longest_wait) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (39, 1_000)] {
            for n in 0..50 {
                let id = CommandId::new(&format!("c{attempts}-{n}")).unwrap();
                let ctx = Ctx::new(id, Timestamp::from_millis(0), EngineSettings::default());
                let wait = backoff.next_attempt_at(attempts, &ctx).unwrap().as_millis();
                assert!((longest_wait / 2..=longest_wait).contains(&wait), "{wait} after {attempts} attempts");
            }
        }
        let ctx = Ctx::new(CommandId::new("c").unwrap(), Timestamp::default(), EngineSettings::default());
        assert_eq!(backoff.next_attempt_at(40, &ctx), None);
    }
}
