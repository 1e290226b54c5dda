//! The change feed: one record per transaction, under the number of its last change. So a position is a number of
//! changes. Each commit writes its record in its own transaction, and trims the feed to the last 10,000 changes.
//!
//! A commit notifies the readers that wait for changes, in this tab and in others. A notification may be lost, so no
//! reader relies on it.

use std::rc::Rc;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Key;
use runstate_store::feed::{Waiter, Waiters};
use runstate_store::tables::PlannedCommit;
use runstate_store::{ChangeEvent, Changes, Position, StoreError};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{Channel, IdbCursor, IdbKeyRange, IdbRequest, global_object};
use super::connection::Connection;
use super::error_mapping::IndexedDbError;
use super::layout::{DatabaseLayout, FEED};
use super::transaction::{Mode, Tx, await_request, from_js, to_js};

/// Number of changes that the feed retains for later readers.
const CAPACITY: u64 = 10_000;

/// Number of changes after which old records are removed.
const TRIM_INTERVAL: u64 = 256;

/// Largest number of records per read.
const MAX_READ_RECORDS: usize = 1_024;

/// The feed record of one transaction.
#[derive(Debug, Serialize, Deserialize)]
struct FeedRecord {
    /// The number of the last change of the transaction.
    last: u64,
    /// The commits that changed documents, in order.
    commits: Vec<FeedCommit>,
}

/// A commit: its command, and for each document the collection, id and new revision. A deleted document has no
/// revision.
#[derive(Debug, Serialize, Deserialize)]
struct FeedCommit {
    command: CommandId,
    changes: Vec<(String, String, Option<Revision>)>,
}

impl FeedCommit {
    /// Creates the record of a commit without its first `without` changes.
    fn new(commit: &PlannedCommit, without: u64) -> Self {
        let changes = commit.feed_changes().skip(usize::try_from(without).unwrap_or(usize::MAX)).map(|change| {
            let revision = change.after.as_ref().map(|stored| stored.revision.clone());
            (change.key.collection.to_string(), change.key.id.to_string(), revision)
        });
        Self { command: commit.command.clone(), changes: changes.collect() }
    }

    fn count(&self) -> u64 {
        self.changes.len() as u64
    }
}

impl FeedRecord {
    /// Creates the record of commits that follow the change number `before`; none if they changed nothing.
    fn new(commits: &[PlannedCommit], before: u64) -> Option<Self> {
        let count = |commit: &PlannedCommit| commit.feed_changes().count() as u64;
        let total: u64 = commits.iter().map(count).sum();
        // Changes beyond the capacity would be trimmed at once, so they are not written.
        let mut without = total.saturating_sub(CAPACITY);
        let mut feed_commits = Vec::new();
        for commit in commits {
            let (commit, remaining) = (FeedCommit::new(commit, without), without.saturating_sub(count(commit)));
            without = remaining;
            if !commit.changes.is_empty() {
                feed_commits.push(commit);
            }
        }
        (total > 0).then(|| Self { last: before + total, commits: feed_commits })
    }

    /// Returns the number of the change before the first one.
    fn preceding_number(&self) -> u64 {
        self.last.saturating_sub(self.commits.iter().map(FeedCommit::count).sum())
    }
}

/// The last change of the feed, as a transaction reads it.
pub(super) struct FeedEnd {
    cursor: IdbRequest,
}

impl FeedEnd {
    /// Requests the last change. It is known once a later request of the transaction succeeds.
    pub(super) fn request(tx: &Tx) -> Result<Self, IndexedDbError> {
        let cursor = tx.store(FEED)?.open_key_cursor(&JsValue::UNDEFINED, "prev")?;
        Ok(Self { cursor })
    }

    pub(super) async fn wait(&self) -> Result<(), IndexedDbError> {
        await_request(&self.cursor).await?;
        Ok(())
    }

    /// Returns the number of the last change.
    pub(super) fn last_number(&self) -> u64 {
        let cursor = self.cursor.result();
        if cursor.is_null() { 0 } else { decode_number(&cursor.unchecked_ref::<IdbCursor>().key()).unwrap_or(0) }
    }
}

/// Appends commits after the change number `begun`, and trims the feed.
pub(super) fn append(tx: &Tx, begun: u64, commits: &[PlannedCommit]) -> Result<(), IndexedDbError> {
    let Some(record) = FeedRecord::new(commits, begun) else { return Ok(()) };
    let (store, end) = (tx.store(FEED)?, record.last);
    store.put(&to_js(&record)?, &number_key(end))?;
    if end > CAPACITY && end / TRIM_INTERVAL > begun / TRIM_INTERVAL {
        store.delete(&IdbKeyRange::upper_bound(&number_key(end - CAPACITY), false)?)?;
    }
    Ok(())
}

/// Returns the number of a key, or `None` if it is not a number.
fn decode_number(key: &JsValue) -> Option<u64> {
    let number = key.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative, and saturating")]
    Some(number as u64)
}

#[expect(clippy::cast_precision_loss, reason = "changes are counted far below 2^53")]
fn number_key(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}

/// Returns the position after `number` changes. Its prefix is unique to the store, so positions of other stores are
/// rejected.
pub(super) fn position(layout: &DatabaseLayout, number: u64) -> Position {
    Position(format!("{}.{number}", position_prefix(layout)))
}

fn position_prefix(layout: &DatabaseLayout) -> &str {
    // The end of the id is its random part.
    let id = layout.identity.store.as_str();
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

fn parse_position(layout: &DatabaseLayout, position: &Position) -> Result<u64, StoreError> {
    let parts = position.0.split_once('.').and_then(|(prefix, number)| Some((prefix, number.parse().ok()?)));
    let (prefix, number) = parts.ok_or_else(|| StoreError::invalid_position(position, "IndexedDB"))?;
    if prefix == position_prefix(layout) { Ok(number) } else { Err(StoreError::PositionExpired) }
}

/// Returns up to `limit` changes after `from` (`None`: from now on).
pub(super) async fn read_changes(
    connection: &Connection,
    from: Option<&Position>,
    limit: usize,
) -> Result<Changes, IndexedDbError> {
    let layout = &connection.handle.layout;
    let from = from.map(|from| parse_position(layout, from)).transpose()?;
    let tx = Tx::begin(&connection.handle.guard.database, [FEED], Mode::Read)?;
    let (store, feed_end) = (tx.store(FEED)?, FeedEnd::request(&tx)?);
    let Some(from) = from else {
        feed_end.wait().await?;
        return Ok(Changes { events: Vec::new(), next: position(layout, feed_end.last_number()) });
    };
    let oldest = store.get_all(&JsValue::UNDEFINED, 1)?;
    let count = u32::try_from(limit.clamp(1, MAX_READ_RECORDS)).unwrap_or(1);
    let later = store.get_all(&IdbKeyRange::lower_bound(&number_key(from), true)?, count)?;
    let later = parse_records(&await_request(&later).await?)?;
    let trimmed = parse_records(&oldest.result())?.first().map_or(0, FeedRecord::preceding_number);
    if from > feed_end.last_number() || from < trimmed {
        return Err(StoreError::PositionExpired.into());
    }
    Ok(collect_changes(layout, from, &later, limit))
}

fn parse_records(list: &JsValue) -> Result<Vec<FeedRecord>, StoreError> {
    from_js(list).map_err(|why| StoreError::Corrupt { at: "the change feed".to_owned(), why })
}

fn collect_changes(layout: &DatabaseLayout, from: u64, later: &[FeedRecord], limit: usize) -> Changes {
    let (mut events, mut next) = (Vec::new(), from);
    for record in later {
        let mut number = record.preceding_number();
        for commit in &record.commits {
            let end = number + commit.count();
            for (collection, id, revision) in &commit.changes {
                number += 1;
                // An earlier page may have returned the first changes of this record.
                if number <= from || events.len() >= limit {
                    continue;
                }
                next = number;
                events.push(ChangeEvent {
                    position: position(layout, end),
                    command: commit.command.clone(),
                    key: Key { collection: collection.clone().into(), id: id.as_str().into() },
                    revision: revision.clone(),
                });
            }
        }
    }
    Changes { events, next: position(layout, next) }
}

/// The waiters of this tab, and the channel to other tabs.
pub(super) struct ChangeNotifier {
    waiters: Rc<Waiters>,
    /// None if the host has no `BroadcastChannel`.
    channel: Option<Channel>,
    // Kept alive while the browser may call it.
    _on_message: Option<Closure<dyn FnMut()>>,
}

impl ChangeNotifier {
    /// Creates the notifier for the channel of a database.
    pub(super) fn new(database: &str) -> Self {
        let waiters = Rc::new(Waiters::default());
        // Without a channel, waiters poll once a second.
        let is_supported = !global_object().broadcast_channel().is_undefined();
        let channel = is_supported.then(|| Channel::new(&format!("runstate:{database}")).ok()).flatten();
        let waiting = waiters.clone();
        let on_message = channel.as_ref().map(|channel| {
            let closure: Closure<dyn FnMut()> = Closure::new(move || waiting.wake());
            channel.on_message(closure.as_ref());
            closure
        });
        Self { waiters, channel, _on_message: on_message }
    }

    /// Notifies this tab and other tabs of a commit.
    pub(super) fn notify(&self) {
        self.wake();
        if let Some(channel) = &self.channel {
            // A closed channel has no listeners.
            drop(channel.post(&JsValue::NULL));
        }
    }

    /// Wakes the waiters of this tab.
    pub(super) fn wake(&self) {
        self.waiters.wake();
    }

    /// Registers a waiter. Call it before reading the feed, so that no change in between is missed.
    pub(super) fn listen(&self) -> Waiter {
        self.waiters.listen()
    }

    /// Closes the channel to other tabs.
    pub(super) fn close(&self) {
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }
}

impl Drop for ChangeNotifier {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.on_message(&JsValue::NULL);
            channel.close();
        }
    }
}
