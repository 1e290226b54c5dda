//! Leases: a worker claims an item for the duration of a lease, and completes, fails or releases it. A worker whose
//! lease has ended may be replaced. A fencing token, greater with every claim of an item, distinguishes the late worker
//! from the current one (Kleppmann, "How to do distributed locking", 2016).
//!
//! | file | contents |
//! |---|---|
//! | `item.rs` | what a domain declares: the row of an item, and where its items differ |
//! | `commands.rs` | the commands that all items have |

mod commands;
mod item;

use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use crate::decision::{Ctx, Rejection};
use crate::error_code::ErrorCode;
use crate::limits::SAFE_INTEGER;

pub use commands::{
    Claim, ClaimResult, ClaimSelection, ClaimTarget, Expire, Heartbeat, NextAvailable, Release, claimed, lease_check,
};
pub use item::{ItemKind, Lease, LeaseNames, Leased, StoredLease};

/// The duration of a lease, if the worker names none.
pub const LEASE: Millis = Millis::seconds(30);

/// The shortest lease.
pub const SHORTEST_LEASE: Millis = Millis::seconds(1);

/// The longest lease.
pub const LONGEST_LEASE: Millis = Millis::days(30);

/// The longest wait that a failure may ask for. A receiver that names a later time is asked again after it.
pub const LONGEST_RETRY_AFTER: Millis = Millis::days(1);

/// Largest number of kinds in one claim.
pub const KINDS_PER_CLAIM: usize = 16;

/// Most items that one claim passes over because they cannot be claimed. The next claim continues.
const MOST_PASSED_OVER: usize = 16;

/// Rows of the last page that one claim reads behind items that it cannot read. Each page is twice as large as the one
/// before, so a claim passes over more than 16,000 of a kind.
const LARGEST_PAGE: u32 = 8_192;

/// Items whose documents a claim reads together, after it has met one that needs a missing key.
const READ_AHEAD: usize = 128;

/// The shortest and the longest time that an item waits which cannot be claimed, so that it delays no other.
const SKIPPED_FOR: (Millis, Millis) = (Millis::minutes(1), Millis::minutes(60));

/// How long a row of a queue is kept whose document is missing: an import may insert it before its document.
const ORPHAN_KEPT: Millis = Millis::days(1);

/// Longest name of a worker or of an error, in bytes.
const NAME_BYTES: usize = 200;

/// The error of an attempt whose worker sent no heartbeat until the end of its lease.
pub const LEASE_EXPIRED: &str = "its worker sent no heartbeat until the end of its lease";

/// The token of the claim that follows the one under `last`. It is never below the time: an item may have the id of one
/// that was deleted, and a worker that claimed that one must not complete this one.
fn next_token(last: u64, now: Timestamp) -> u64 {
    last.saturating_add(1).max(u64::try_from(now.as_millis()).unwrap_or_default())
}

/// Whether a greater token than `last` can be written. Otherwise the item cannot be claimed again.
fn has_next_token(last: u64) -> bool {
    last < SAFE_INTEGER as u64
}

/// When an item may be claimed again that could not be claimed since `since`: it waits ever longer.
pub fn skipped_until(since: Timestamp, now: Timestamp) -> Timestamp {
    let (shortest, longest) = SKIPPED_FOR;
    now + now.since(since).clamp(shortest, longest)
}

/// Whether an item is to be removed whose document is missing since `since`.
pub fn is_abandoned(since: Timestamp, now: Timestamp) -> bool {
    now.since(since) >= ORPHAN_KEPT
}

/// Rejects a lease that is too short or too long.
pub fn check_lease(lease: Millis) -> Result<(), Rejection> {
    if (SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        return Ok(());
    }
    Err(Rejection::invalid("leaseMs", format!("{} ms is not valid; use 1 second to 30 days", lease.0)))
}

/// Rejects a wait of a failure that is negative or longer than a day.
pub fn check_retry_after(wait: Option<Millis>) -> Result<(), Rejection> {
    match wait {
        Some(wait) if !(Millis(0)..=LONGEST_RETRY_AFTER).contains(&wait) => {
            Err(Rejection::invalid("retryAfterMs", format!("{} ms is not valid; use 0 to 1 day", wait.0)))
        }
        _ => Ok(()),
    }
}

/// The time of the next attempt: that of the policy, but not before the end of the wait that the failure asks for.
pub fn next_attempt_after(policy: Timestamp, now: Timestamp, wait: Option<Millis>) -> Timestamp {
    wait.map_or(policy, |wait| policy.max(now + wait))
}

/// Rejects an empty or a long name of a worker, an answerer or an error.
pub fn check_name(field: &str, name: Option<&str>) -> Result<(), Rejection> {
    match name.map(str::len) {
        Some(bytes) if bytes == 0 || bytes > NAME_BYTES => {
            let reason = format!("{bytes} bytes are not valid; use 1 to {NAME_BYTES} bytes");
            Err(Rejection::invalid(field, reason))
        }
        _ => Ok(()),
    }
}

/// The beginning of the message of a failure, with a mark where it ends: it is enough to see the cause.
pub fn shorten_message(message: &str, max_bytes: usize) -> String {
    if message.len() <= max_bytes {
        return message.to_owned();
    }
    format!("{}…", &message[..message.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8()))])
}

/// The rejection of a worker that has lost its claim on an item.
pub fn stale_claim<L: Leased>(id: &str, token: u64) -> Rejection {
    let message = format!(
        "the claim of {} `{id}` has ended: it was claimed again, released or closed; nothing was changed",
        L::NOUN
    );
    Rejection::Domain { code: ErrorCode::STALE_CLAIM, message, details: json!({"token": token}) }
}

/// One of `count` items that may be claimed: not the first, so that workers which claim at once choose different ones.
fn pick(ctx: &Ctx, count: usize) -> usize {
    let [a, b, c, d, ..] = ctx.seed("claim");
    u32::from_be_bytes([a, b, c, d]) as usize % count.max(1)
}
