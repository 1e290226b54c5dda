//! The rules of leases: a worker claims an item for the duration of a lease, and completes or fails it. A worker whose
//! lease has ended may be replaced. A fencing token, greater with every claim of an item, distinguishes the late worker
//! from the current one (Kleppmann, "How to do distributed locking", 2016).

use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use crate::decision::{Ctx, LoadedDocument, Rejection, View};
use crate::error_code::ErrorCode;
use crate::limits::SAFE_INTEGER;
use crate::schema::Key;

/// The duration of a lease, if the worker names none.
pub const LEASE: Millis = Millis::seconds(30);

/// The shortest lease.
pub const SHORTEST_LEASE: Millis = Millis::seconds(1);

/// The longest lease.
pub const LONGEST_LEASE: Millis = Millis::days(30);

/// Largest number of kinds in one claim.
pub const KINDS_PER_CLAIM: usize = 16;

/// Names of the queries for items that may be claimed, one for each kind.
pub const KIND_QUERIES: [&str; KINDS_PER_CLAIM] = [
    "kind 1", "kind 2", "kind 3", "kind 4", "kind 5", "kind 6", "kind 7", "kind 8", "kind 9", "kind 10", "kind 11",
    "kind 12", "kind 13", "kind 14", "kind 15", "kind 16",
];

/// Most items that one claim passes over because they cannot be claimed. The next claim continues.
pub const MOST_PASSED_OVER: usize = 16;

/// The shortest and the longest time that an item waits which cannot be claimed, so that it delays no other.
const SKIPPED_FOR: (Millis, Millis) = (Millis::minutes(1), Millis::minutes(60));

/// Longest name of a worker or of an error, in bytes.
const NAME_BYTES: usize = 200;

/// The token of the claim that follows the one under `last`. It is never below the time: an item may have the id of one
/// that was deleted, and a worker that claimed that one must not complete this one.
pub fn next_token(last: u64, now: Timestamp) -> u64 {
    last.saturating_add(1).max(u64::try_from(now.as_millis()).unwrap_or_default())
}

/// Whether a greater token than `last` can be written. Otherwise the item cannot be claimed again.
pub fn has_next_token(last: u64) -> bool {
    last < SAFE_INTEGER as u64
}

/// When an item may be claimed again that could not be claimed since `since`: it waits ever longer.
pub fn skipped_until(since: Timestamp, now: Timestamp) -> Timestamp {
    let (shortest, longest) = SKIPPED_FOR;
    now + now.since(since).clamp(shortest, longest)
}

/// Rejects a lease that is too short or too long.
pub fn check_lease(lease: Millis) -> Result<(), Rejection> {
    if (SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        return Ok(());
    }
    let reason = format!("{} ms is not valid; use 1 second to 30 days", lease.0);
    Err(Rejection::Invalid { field: "leaseMs".to_owned(), reason })
}

/// Rejects an empty or a long name of a worker, an answerer or an error.
pub fn check_name(field: &str, name: Option<&str>) -> Result<(), Rejection> {
    match name.map(str::len) {
        Some(bytes) if bytes == 0 || bytes > NAME_BYTES => {
            let reason = format!("{bytes} bytes are not valid; use 1 to {NAME_BYTES} bytes");
            Err(Rejection::Invalid { field: field.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// Rejects more kinds of items than one command reads. `what` names the kinds, such as `kinds of calls`.
pub fn check_kinds(what: &str, kinds: &[String]) -> Result<(), Rejection> {
    if kinds.len() <= KINDS_PER_CLAIM {
        return Ok(());
    }
    Err(Rejection::Limit {
        what: format!("{} {what} at once", kinds.len()),
        limit: format!("at most {KINDS_PER_CLAIM}"),
        remedy: "pass the others separately",
    })
}

/// The rejection of a worker that has lost its claim on `what`, such as "step `e1:2`".
pub fn stale_claim(what: &str, token: u64) -> Rejection {
    let message =
        format!("the claim of {what} has ended: it was claimed again, released or closed; nothing was changed");
    Rejection::Domain { code: ErrorCode::STALE_CLAIM, message, details: json!({"token": token}) }
}

/// One of `count` items that may be claimed: not the first, so that workers which claim at once choose different ones.
pub fn pick(ctx: &Ctx, count: usize) -> usize {
    let [a, b, c, d, ..] = ctx.seed("claim");
    u32::from_be_bytes([a, b, c, d]) as usize % count.max(1)
}

/// When the first of the rows of these queries may be claimed; `None`: there are none. `field` has the time.
pub fn first_available(view: &View, queries: &[&str], field: &str) -> Option<Timestamp> {
    let at = |(_, row): &(Key, LoadedDocument)| row.document.get(field).and_then(Json::as_i64);
    view.all_rows(queries).filter_map(at).min().map(Timestamp::from_millis)
}
