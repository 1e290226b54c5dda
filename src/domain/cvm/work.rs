//! Workers: they claim open calls of the kinds they serve, for the time of a lease, and complete or fail them. Whoever's lease has ended may
//! be replaced; a fencing token, greater with every claim of a call, tells the late one from the one who holds it now (Kleppmann,
//! "How to do distributed locking", 2016).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{CC_HISTORY, Call, CallError, CallOutcome, ClaimState, TIMER, in_time};
use super::close;
use super::early::Row;
use super::execution::{EXECUTIONS, Execution, Reached, Status};
use super::show::ShownCall;
use crate::code::Code;
use crate::decision::{Command, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::limits::SAFE_INTEGER;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};
use crate::time::{Millis, Timestamp};

/// How many calls of each kind a claimer looks at, at the least and at the most; it picks one of them at random, so that many claimers
/// seldom meet at one.
pub const LOOKED_AT: std::ops::RangeInclusive<u32> = 16..=256;

/// The answers to the queries of a claim, one for each kind.
const KINDS: [&str; 16] = [
    "kind 1", "kind 2", "kind 3", "kind 4", "kind 5", "kind 6", "kind 7", "kind 8", "kind 9", "kind 10", "kind 11",
    "kind 12", "kind 13", "kind 14", "kind 15", "kind 16",
];

/// No claim follows one under this token: nothing greater could be written.
const LAST_TOKEN: u64 = SAFE_INTEGER as u64;

/// Longest name of an owner, of who answers, of an error, in bytes.
const NAME_BYTES: usize = 200;

/// Longest text of a failure, in bytes: enough to see what happened.
const MESSAGE_BYTES: usize = 4 * 1024;

/// Hands one open call to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// What may be claimed.
    pub of: Of,
    /// Who claims, for people who look.
    pub owner: String,
    /// How long it is his without a word from him.
    pub lease: Millis,
    /// Only what is available at this moment: the host's time.
    #[serde(skip)]
    pub at: Timestamp,
    /// Among how many calls of each kind one is picked, within [`LOOKED_AT`]: more where many claim at once.
    #[serde(skip)]
    pub among: u32,
}

/// What a claim came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claiming {
    /// The claim; `None`: nothing is open.
    pub claimed: Option<Claimed>,
    /// What was claimed, where it was now: a repeat is told the claim alone.
    #[serde(skip)]
    pub shown: Option<Box<ShownCall>>,
    /// How often others were faster.
    #[serde(skip)]
    pub lost: u32,
}

/// What a worker may claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Any open call of one of these kinds, at most 16.
    Kinds(Vec<String>),
    /// This call.
    Call(String),
}

/// A call that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Claimed {
    /// The call.
    pub call: String,
    /// The execution that asks.
    pub execution: String,
    /// The fencing token that completing it needs.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// How often it was tried, this time included.
    pub attempts: u32,
}

/// Tells that a worker still works on a call: the lease begins anew.
#[derive(Clone, Debug, Serialize)]
pub struct Heartbeat {
    /// The call.
    pub call: String,
    /// The token of the claim.
    pub token: u64,
    /// How long it is his from now on.
    pub lease: Millis,
}

/// Gives a claimed call back untried, for others to take at once.
#[derive(Clone, Debug, Serialize)]
pub struct Release {
    /// The call.
    pub call: String,
    /// The token of the claim.
    pub token: u64,
}

/// Tells that a worker could not do it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fail {
    /// The execution.
    pub execution: String,
    /// The call.
    pub call: String,
    /// The token of the claim.
    pub token: u64,
    /// What went wrong, in words.
    pub message: String,
    /// Name of the error in the program; `None`: `CallError`.
    pub name: Option<String>,
    /// Whether and when it is to be tried again; `None`: the program is told.
    pub retry: Option<Backoff>,
    /// Who tried.
    pub by: Option<String>,
}

/// When a failed call is tried again: after `initial`, then twice as long each time, at most `longest`, each with up to half taken off at
/// random ("equal jitter": Brooker, "Exponential Backoff And Jitter", 2015), until it was tried `attempts` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// How often it is tried in all.
    pub attempts: u32,
    /// The first wait.
    pub initial: Millis,
    /// The longest wait.
    pub longest: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 5, initial: Millis::seconds(1), longest: Millis::minutes(5) }
    }
}

/// What became of a failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct FailedCall {
    /// When it may be tried again; `None`: it is closed.
    pub retry_at: Option<Timestamp>,
    /// How its execution stands, where it is closed.
    pub reached: Option<Reached>,
}

/// Refuses who does not hold the call under `token`.
pub(super) fn must_hold(call: &Call, token: u64) -> Result<(), Rejection> {
    let what = match &call.claim {
        Some(claim) if claim.token == token && claim.owner.is_some() => return Ok(()),
        Some(ClaimState { owner: Some(_), token: newer, .. }) if *newer > token => "was taken over by another worker",
        Some(claim) if claim.token == token => "was given back or failed under this token",
        _ => "was never claimed under this token",
    };
    let message = format!("call {} of execution `{}` {what}; nothing was changed", call.step, call.execution_id);
    Err(Rejection::Domain { code: Code::StaleClaim, message, details: json!({"token": token}) })
}

/// As [`must_hold`], also where the call is closed: whoever works on it may stop.
fn must_be_worked_on(call: &Call, token: u64) -> Result<(), Rejection> {
    must_hold(call, token)?;
    match call.outcome {
        None => Ok(()),
        Some(outcome) => {
            let (step, execution) = (call.step, &call.execution_id);
            let message = format!("call {step} of execution `{execution}` is closed; there is nothing to do any more");
            Err(Rejection::Domain { code: Code::StaleClaim, message, details: json!({"outcome": outcome}) })
        }
    }
}

/// A name that a row can hold beside others.
pub(super) fn check_name(field: &str, name: Option<&str>) -> Result<(), Rejection> {
    match name.map(str::len) {
        Some(bytes @ (0 | 201..)) => {
            let reason = format!("{bytes} bytes; from 1 to {NAME_BYTES} are allowed");
            Err(Rejection::Invalid { field: field.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// A lease that can be meant.
fn check_lease(lease: Millis) -> Result<(), Rejection> {
    if lease.0 > 0 && lease <= Millis::days(30) {
        return Ok(());
    }
    let reason = format!("{} ms; from 1 ms to 30 days are allowed", lease.0);
    Err(Rejection::Invalid { field: "lease".to_owned(), reason })
}

impl Claim {
    /// What may be claimed at `now`. A row that cannot be read is passed over: it must not stand in the way of all others.
    fn candidates(&self, view: &View, now: Timestamp) -> Vec<(Loaded, Call)> {
        let mut candidates = Vec::new();
        let mut add = |key: &Key, found: &Loaded| {
            if let Ok(Row::Asked(call)) = Row::read(key, found)
                && call.outcome.is_none()
                && !call.is_over(now)
                && call.available_at.is_some_and(|at| at <= now)
                && call.claim.as_ref().is_none_or(|claim| claim.token < LAST_TOKEN)
            {
                candidates.push((found.clone(), *call));
            }
        };
        match &self.of {
            Of::Call(id) => {
                let key = Key::new(&CC_HISTORY, id);
                view.get(&key).into_iter().for_each(|found| add(&key, found));
            }
            Of::Kinds(_) => {
                let rows = KINDS.iter().flat_map(|name| view.rows(name).unwrap_or_default());
                rows.for_each(|(key, found)| add(key, found));
            }
        }
        candidates
    }
}

impl Command for Claim {
    const NAME: &'static str = "cvm.claim";
    type Output = Claiming;

    fn reads(&self, _: &View) -> ReadSet {
        let kinds = match &self.of {
            Of::Call(id) => return ReadSet::key(Key::new(&CC_HISTORY, id)),
            Of::Kinds(kinds) => kinds,
        };
        let available = |kind: &str| {
            Query::of(&CC_HISTORY)
                .eq("kind", kind)
                .filter(Filter::Exists("outcome".to_owned(), false))
                .filter(Filter::Lte("availableAt".to_owned(), self.at.as_millis().into()))
                .filter(in_time(self.at))
                .sort("availableAt", Ascending)
                .limit(self.among.clamp(*LOOKED_AT.start(), *LOOKED_AT.end()))
        };
        KINDS.iter().zip(kinds).fold(ReadSet::none(), |reads, (name, kind)| reads.query(name, available(kind)))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Claiming>, Rejection> {
        check_lease(self.lease)?;
        check_name("owner", Some(&self.owner))?;
        if let Of::Kinds(kinds) = &self.of {
            if kinds.len() > KINDS.len() {
                let (what, limit) = (format!("{} kinds in one claim", kinds.len()), format!("at most {}", KINDS.len()));
                return Err(Rejection::Limit { what, limit });
            }
            if kinds.iter().any(|kind| kind == TIMER) {
                let reason = "timers go on by themselves; nobody claims them".to_owned();
                return Err(Rejection::Invalid { field: "kinds".to_owned(), reason });
            }
        }
        let now = ctx.now;
        let mut candidates = self.candidates(view, now);
        if candidates.is_empty() {
            return Ok(Decision::of(Claiming::default()));
        }
        let [a, b, c, d, ..] = ctx.seed("claim");
        let picked = u32::from_be_bytes([a, b, c, d]) as usize % candidates.len();
        let (found, mut call) = candidates.swap_remove(picked);
        let (token, attempts) = call.claim.as_ref().map_or((0, 0), |claim| (claim.token, claim.attempts));
        let until = now + self.lease;
        let claim = ClaimState {
            owner: Some(self.owner.clone()),
            // Never below the time: a call under a key has the same id where its execution is deleted and another one begins under its id,
            // and who claimed the former may not complete the latter.
            token: (token + 1).max(u64::try_from(now.as_millis()).unwrap_or_default()),
            until,
            attempts: attempts.saturating_add(1),
        };
        let claimed = Claimed {
            call: call.id.clone(),
            execution: call.execution_id.clone(),
            token: claim.token,
            until,
            attempts: claim.attempts,
        };
        call.claim = Some(claim);
        call.available_at = Some(until);
        let change = call.update(&found)?;
        let claiming = Claiming { claimed: Some(claimed), shown: Some(Box::new(call.into())), lost: ctx.attempt };
        Ok(Decision::of(claiming).change(change))
    }
}

impl Command for Heartbeat {
    const NAME: &'static str = "cvm.heartbeat";
    type Output = Timestamp;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>, Rejection> {
        check_lease(self.lease)?;
        let (found, mut call) = Call::find(view, &self.call)?;
        must_be_worked_on(&call, self.token)?;
        let until = ctx.now + self.lease;
        if let Some(claim) = &mut call.claim {
            claim.until = until;
        }
        call.available_at = Some(until);
        Ok(Decision::of(until).change(call.update(found)?))
    }
}

impl Command for Release {
    const NAME: &'static str = "cvm.release";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let (found, mut call) = Call::find(view, &self.call)?;
        must_be_worked_on(&call, self.token)?;
        if let Some(claim) = &mut call.claim {
            *claim = ClaimState {
                owner: None,
                token: claim.token,
                until: ctx.now,
                attempts: claim.attempts.saturating_sub(1),
            };
        }
        call.available_at = Some(ctx.now);
        Ok(Decision::of(()).change(call.update(found)?))
    }
}

impl Backoff {
    /// When a call is tried again that was tried `attempts` times; `None`: it is not.
    fn next(self, attempts: u32, ctx: &Ctx) -> Option<Timestamp> {
        if attempts >= self.attempts {
            return None;
        }
        let doubled = 1i64.checked_shl(attempts.saturating_sub(1).min(62)).unwrap_or(i64::MAX);
        let whole = self.initial.0.max(0).saturating_mul(doubled).min(self.longest.0.max(0));
        let [a, b, c, d, ..] = ctx.seed("jitter");
        let part = i128::from(u32::from_be_bytes([a, b, c, d]));
        let off = i128::from(whole / 2) * part / i128::from(u32::MAX);
        Some(ctx.now + Millis(whole - i64::try_from(off).unwrap_or_default()))
    }
}

impl Command for Fail {
    const NAME: &'static str = "cvm.fail";
    type Output = FailedCall;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        close::reads(view, &self.execution, &Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedCall>, Rejection> {
        check_name("name", self.name.as_deref())?;
        check_name("by", self.by.as_deref())?;
        let (row, mut call) = Call::find(view, &self.call)?;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id, hint });
        }
        must_be_worked_on(&call, self.token)?;
        let (before, execution) = Execution::find_owned(view, &self.execution)?;
        execution.must_wait()?;
        call.must_be_in_time(ctx.now)?;
        let message = cut(&self.message);
        call.error = Some(CallError { name: self.name.clone(), message, timestamp: ctx.now, by: self.by.clone() });
        let attempts = call.claim.as_ref().map_or(0, |claim| claim.attempts);
        if let Some(at) = self.retry.and_then(|retry| retry.next(attempts, ctx)) {
            if let Some(claim) = &mut call.claim {
                claim.owner = None;
                claim.until = ctx.now;
            }
            call.available_at = Some(at);
            let again = FailedCall { retry_at: Some(at), reached: None };
            return Ok(Decision::of(again).change(call.update(row)?));
        }
        call.close(CallOutcome::Failed);
        let decision = close::one(view, ctx, before, execution, row, call)?;
        Ok(decision.map(|reached| FailedCall { retry_at: None, reached: Some(reached) }))
    }
}

impl FailedCall {
    /// Whether the execution has more to run.
    pub fn runs_on(&self) -> bool {
        self.reached.as_ref().is_some_and(|reached| reached.status == Status::Running)
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MESSAGE_BYTES - 4)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CommandId;
    use crate::limits::Settings;

    #[test]
    fn waits_double_up_to_the_longest_and_lose_at_most_half() {
        let backoff = Backoff { attempts: 40, initial: Millis(100), longest: Millis(1_000) };
        for (attempts, whole) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (39, 1_000)] {
            for n in 0..50 {
                let id = CommandId::new(&format!("c{attempts}-{n}")).unwrap();
                let ctx = Ctx::new(id, Timestamp::from_millis(0), Settings::default());
                let wait = backoff.next(attempts, &ctx).unwrap().as_millis();
                assert!((whole / 2..=whole).contains(&wait), "{wait} after {attempts} attempts");
            }
        }
        let ctx = Ctx::new(CommandId::new("c").unwrap(), Timestamp::default(), Settings::default());
        assert_eq!(backoff.next(40, &ctx), None);
    }
}
