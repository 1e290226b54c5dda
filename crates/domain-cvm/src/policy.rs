//! The policy of an execution: the calls that its program may make, those that people approve first, and how many. The
//! head of the execution has it. Approvals are in `approval.rs`.

use runstate_core::lease::check_name;
use runstate_core::limits::check_range;
use runstate_core::operation::nearest_name;
use runstate_core::prelude::*;
use runstate_vm::MAX_OPEN_CALLS;
use schemars::JsonSchema;

use super::call::TIMER;

/// Most bytes of all kinds in a policy. The head has them, and each answer writes the head.
const KINDS_BYTES: usize = 32 * 1024;

/// Longest kind, in bytes, for which a similar allowed one is searched. A program chooses the kind.
const SIMILAR_KIND_BYTES: usize = 64;

/// How many allowed kinds of a similar length are compared with a refused one. A refused call costs little fuel, and a
/// program may repeat it.
const COMPARED_KINDS: usize = 16;

/// Numbers of calls that an execution may be limited to.
const CALLS: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;

/// Numbers of open calls that an execution may be limited to.
const OPEN: std::ops::RangeInclusive<u64> = 1..=MAX_OPEN_CALLS as u64;

/// Times that an execution may be limited to, in milliseconds: 1 second to 100 years.
const MS: std::ops::RangeInclusive<u64> = SHORTEST_MS.0.unsigned_abs()..=Millis::days(366 * 100).0.unsigned_abs();

/// The shortest time that an execution may be limited to.
const SHORTEST_MS: Millis = Millis::seconds(1);

/// The calls that a program may make. It applies to the calls that the program makes from then on.
#[derive(Fields, Clone, Debug, Default, PartialEq, Parameters, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// The only kinds of calls that the program may make; by default any. Others throw a `NotAllowedError`, which the
    /// program may catch. Timers are always allowed. The kinds here and in `approve` have at most 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// The kinds of calls that wait for an approval (`cvm.approve`) before a worker gets them; by default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Vec<String>>,
    /// Most calls that the program makes in its life, timers included, 1 to 10^9; by default any number. The next one
    /// ends the program with a `LimitError` that it cannot catch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Most calls that are open at once, 1 to 1,000; by default 1,000. Those beyond are queued in the order in which
    /// they were made: no worker gets one until another call is closed. Timers, and calls that await an approval, are
    /// not counted; an approved call may have to queue. With them, at most 1,000 calls are open in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<u32>,
    /// The time that the program has, in milliseconds, 1 second to 100 years; by default any. It begins with the start,
    /// and again with a retry, and when a paused execution is unpaused. At its end the program ends with a `LimitError`
    /// that it cannot catch, and its open calls are cancelled. A graceful cancel has its own time instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<Millis>,
}

impl Policy {
    pub(super) fn check(&self) -> Result<()> {
        let lists = [("policy.kinds", &self.kinds), ("policy.approve", &self.approve)];
        for (field, kinds) in lists {
            for kind in kinds.iter().flatten() {
                check_name(field, Some(kind))?;
                // Such a kind would match no call: a tool has its name in `tools` as its kind.
                if kind.starts_with("tools.") || kind.contains('*') {
                    return Err(Rejection::invalid(
                        field,
                        format!("has `{kind}`; write whole kinds, as in `pay.refund`"),
                    ));
                }
            }
        }
        let bytes: usize = lists.iter().flat_map(|(_, kinds)| kinds.iter().flatten()).map(String::len).sum();
        if bytes > KINDS_BYTES {
            return Err(Rejection::invalid(
                "policy",
                format!("has {bytes} bytes of kinds; at most {KINDS_BYTES} are allowed"),
            ));
        }
        for kind in self.approve.iter().flatten() {
            if kind == TIMER {
                return Err(Rejection::invalid("policy.approve", "has `timer`, which no worker serves; remove it"));
            }
            // A misspelled kind would let calls pass without an approval.
            if let Some(problem) = self.refusal(kind) {
                return Err(Rejection::invalid("policy.approve", problem));
            }
        }
        let numbers = [
            ("policy.calls", self.calls, CALLS),
            ("policy.open", self.open.map(u64::from), OPEN),
            ("policy.ms", self.ms.map(|ms| u64::try_from(ms.0).unwrap_or_default()), MS),
        ];
        for (field, number, range) in numbers {
            let checked = number.map_or(Ok(()), |number| check_range(number, range));
            checked.map_err(|reason| Rejection::invalid(field, reason))?;
        }
        Ok(())
    }

    /// Why the program may not make a call of this kind; `None`: it may.
    pub(super) fn refusal(&self, kind: &str) -> Option<String> {
        let kinds = self.kinds.as_ref().filter(|kinds| kind != TIMER && kinds.iter().all(|allowed| allowed != kind))?;
        let has_similar_length = |name: &&str| name.len().abs_diff(kind.len()) <= 2;
        let similar: Vec<&str> = match kind.len() {
            ..=SIMILAR_KIND_BYTES => {
                kinds.iter().map(String::as_str).filter(has_similar_length).take(COMPARED_KINDS).collect()
            }
            _ => Vec::new(),
        };
        let hint = nearest_name(kind, &similar).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let shown = &kind[..kind.floor_char_boundary(SIMILAR_KIND_BYTES)];
        Some(format!("the policy of the execution does not allow calls of the kind `{shown}`{hint}"))
    }

    /// Whether calls of this kind wait for an approval.
    pub(super) fn needs_approval(&self, kind: &str) -> bool {
        self.approve.iter().flatten().any(|listed| listed == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(kinds: &[&str]) -> Option<Vec<String>> {
        Some(kinds.iter().map(|kind| (*kind).to_owned()).collect())
    }

    fn problem(policy: &Policy) -> String {
        policy.check().unwrap_err().to_string()
    }

    #[test]
    fn a_kind_that_is_not_listed_is_refused_with_the_near_one() {
        let policy = Policy { kinds: kinds(&["crm.find", "pay.refund"]), ..Policy::default() };
        assert_eq!((policy.refusal("crm.find"), policy.refusal(TIMER)), (None, None));
        assert!(policy.refusal("crm.fnd").unwrap().ends_with("`crm.fnd`; did you mean `crm.find`?"));
        assert!(policy.refusal("cc").unwrap().ends_with("of the kind `cc`"));
        assert!(policy.refusal(&"é".repeat(1 << 20)).unwrap().len() < 200);
        assert_eq!(Policy::default().refusal("cc"), None);
    }

    #[test]
    fn a_refused_kind_is_compared_with_few_allowed_ones() {
        let find = "crm.find".to_owned();
        let other = |n: usize| format!("tool.{n:03}");
        for (before, is_named) in [(0, true), (COMPARED_KINDS - 1, true), (COMPARED_KINDS, false)] {
            let allowed = (0..before).map(other).chain([find.clone()]).chain((before..500).map(other)).collect();
            let policy = Policy { kinds: Some(allowed), ..Policy::default() };
            assert_eq!(policy.refusal("crm.fimd").unwrap().contains("did you mean"), is_named, "{before}");
        }
    }

    #[test]
    fn numbers_and_kinds_out_of_bounds_are_invalid() {
        assert_eq!(Policy { calls: Some(1), ms: Some(SHORTEST_MS), ..Policy::default() }.check(), Ok(()));
        for policy in [
            Policy { calls: Some(0), ..Policy::default() },
            Policy { open: Some(0), ..Policy::default() },
            Policy { open: Some(1_001), ..Policy::default() },
            Policy { ms: Some(Millis(999)), ..Policy::default() },
            Policy { ms: Some(Millis(-1)), ..Policy::default() },
            Policy { ms: Some(Millis(i64::MAX)), ..Policy::default() },
            Policy { kinds: kinds(&[""]), ..Policy::default() },
            Policy { approve: kinds(&[TIMER]), ..Policy::default() },
            Policy { approve: Some(vec!["x".repeat(100); 400]), ..Policy::default() },
        ] {
            assert!(problem(&policy).contains("policy"), "{policy:?}");
        }
        let misspelled = Policy { kinds: kinds(&["pay.refund"]), approve: kinds(&["pay.refnd"]), ..Policy::default() };
        assert!(problem(&misspelled).contains("did you mean `pay.refund`?"));
    }
}
