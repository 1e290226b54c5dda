//! The feed of changes: one record a transaction under the number of its last change, so that a position is a number of changes. It is written in the
//! commit that it tells of, and cut there to the last 10,000 changes.

use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use super::binding::{Cursor, KeyRange, ObjectStore, Request};
use super::connection::Connection;
use super::faults::Stop;
use super::layout::{FEED, Layout};
use super::read::number;
use super::results::json;
use super::transaction::{Mode, Tx, answered};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::tables::Commit;
use crate::store::{ChangeEvent, Changes, Error, Position};
use crate::value;

/// How many changes are kept for those that come back.
const KEPT: u64 = 10_000;

/// After so many changes what is too old is removed.
const CUT_EVERY: u64 = 256;

/// Most records that are read at once.
const AT_ONCE: usize = 1_024;

/// What one transaction committed, as the feed keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// The number of its last change.
    last: u64,
    /// Commits that changed something, in order.
    commits: Vec<ToldCommit>,
}

/// A commit: its command, and collection, id and new revision of each document; no revision: it was deleted.
#[derive(Debug, Serialize, Deserialize)]
struct ToldCommit {
    command: CommandId,
    changes: Vec<(String, String, Option<Revision>)>,
}

impl ToldCommit {
    /// All of its changes but the first so many.
    fn of(commit: &Commit, without: u64) -> Self {
        let changes = commit.told().skip(usize::try_from(without).unwrap_or(usize::MAX)).map(|change| {
            let revision = change.after.as_ref().map(|stored| stored.revision.clone());
            (change.key.collection.to_string(), change.key.id.to_string(), revision)
        });
        Self { command: commit.command.clone(), changes: changes.collect() }
    }

    fn count(&self) -> u64 {
        self.changes.len() as u64
    }
}

impl Told {
    /// Commits that come after the change of that number; none: they changed nothing.
    fn of(commits: &[Commit], before: u64) -> Option<Self> {
        let count = |commit: &Commit| commit.told().count() as u64;
        let all: u64 = commits.iter().map(count).sum();
        // What would be cut at once is not written.
        let mut without = all.saturating_sub(KEPT);
        let mut told = Vec::new();
        for commit in commits {
            let (commit, left) = (ToldCommit::of(commit, without), without.saturating_sub(count(commit)));
            without = left;
            if !commit.changes.is_empty() {
                told.push(commit);
            }
        }
        (all > 0).then(|| Self { last: before + all, commits: told })
    }

    /// The number of the change before its first one.
    fn before(&self) -> u64 {
        self.last.saturating_sub(self.commits.iter().map(ToldCommit::count).sum())
    }
}

/// The end of the feed, as a transaction finds it.
pub(super) struct Ending {
    cursor: Request,
}

impl Ending {
    /// Asks for it; it is known when a later request of the transaction is answered.
    pub(super) fn ask(tx: &Tx) -> Result<Self, Stop> {
        let cursor = tx.store(FEED)?.open_key_cursor(&JsValue::UNDEFINED, "prev")?;
        Ok(Self { cursor })
    }

    pub(super) async fn answered(&self) -> Result<(), Stop> {
        answered(&self.cursor).await?;
        Ok(())
    }

    /// The number of the last change there was.
    pub(super) fn last(&self) -> u64 {
        let cursor = self.cursor.result();
        if cursor.is_null() { 0 } else { number(&cursor.unchecked_ref::<Cursor>().key()).unwrap_or(0) }
    }
}

/// Adds commits behind the change of that number, and cuts what is too old; the number of the last change then.
pub(super) fn write(tx: &Tx, begun: u64, commits: &[Commit]) -> Result<u64, Stop> {
    let store = tx.store(FEED)?;
    let Some(told) = Told::of(commits, begun) else { return Ok(begun) };
    put(&store, &told)?;
    let end = told.last;
    if end > KEPT && end / CUT_EVERY > begun / CUT_EVERY {
        store.delete(&KeyRange::up_to(&at(end - KEPT), false)?)?;
    }
    Ok(end)
}

fn put(store: &ObjectStore, told: &Told) -> Result<(), Stop> {
    let text = value::written(told);
    let text = text.map_err(|e| Error::Unavailable { what: "the feed of changes".to_owned(), why: e.to_string() })?;
    store.put(&js_sys::JSON::parse(&text)?, &at(told.last))?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "changes are counted far below 2^53")]
pub(super) fn at(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}

/// A position: the store's own sign, so that none of another store is taken for one of this, and how many changes there were.
pub(super) fn position(layout: &Layout, number: u64) -> Position {
    Position(format!("{}.{number}", sign(layout)))
}

fn sign(layout: &Layout) -> &str {
    // The end of the id is its random part.
    let id = layout.identity.store.as_str();
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

fn parse(layout: &Layout, position: &Position) -> Result<u64, Error> {
    let parts = position.0.split_once('.').and_then(|(of, number)| Some((of, number.parse().ok()?)));
    let (of, number) = parts.ok_or_else(|| Error::invalid_position(position, "IndexedDB"))?;
    if of == sign(layout) { Ok(number) } else { Err(Error::PositionExpired) }
}

impl Connection {
    /// Up to `limit` changes after `from`; nothing named: from now on.
    pub(super) async fn changes(&self, from: Option<&Position>, limit: usize) -> Result<Changes, Stop> {
        let layout = &self.handle.layout;
        let from = from.map(|from| parse(layout, from)).transpose()?;
        let tx = Tx::begin(&self.handle.link.database, [FEED], Mode::Read)?;
        let (store, ending) = (tx.store(FEED)?, Ending::ask(&tx)?);
        let Some(from) = from else {
            ending.answered().await?;
            return Ok(Changes { events: Vec::new(), next: position(layout, ending.last()) });
        };
        let oldest = store.get_all(&JsValue::UNDEFINED, 1)?;
        let most = u32::try_from(limit.clamp(1, AT_ONCE)).unwrap_or(1);
        let later = store.get_all(&KeyRange::from(&at(from), true)?, most)?;
        let later = told(&answered(&later).await?)?;
        let forgotten = told(&oldest.result())?.first().map_or(0, Told::before);
        if from > ending.last() || from < forgotten {
            return Err(Error::PositionExpired.into());
        }
        Ok(page(layout, from, &later, limit))
    }
}

fn told(list: &JsValue) -> Result<Vec<Told>, Error> {
    let damaged = |e: value::Unfit| Error::Corrupt { at: "the feed of changes".to_owned(), why: e.to_string() };
    value::read(&json(list)).map_err(damaged)
}

fn page(layout: &Layout, from: u64, later: &[Told], limit: usize) -> Changes {
    let (mut events, mut next) = (Vec::new(), from);
    for told in later {
        let mut number = told.before();
        for commit in &told.commits {
            let end = number + commit.count();
            for (collection, id, revision) in &commit.changes {
                number += 1;
                // The first of them may have been told in part.
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
