//! How long the command ledger keeps rows. The owner of a store chooses it, and the store keeps the choice, in
//! `runstate.declarations` as the declaration of the ledger. So all processes keep rows equally long, and an old command
//! is refused wherever its row may be missing.

use std::sync::Arc;

use runstate_core::decision::{DomainSettings, Rejection};
use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, time_of};
use runstate_core::limits::{DECIDE_ATTEMPTS, LEDGER_DAYS, LONGEST_LEDGER_DAYS};
use runstate_core::operation::{Parameters, SettingsDeclaration};
use runstate_core::schema::Key;
use runstate_store::{COMMANDS, Expectation, Freshness, Outcome, StoreError, StoredDocument, Write, WriteOp};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, collect_document};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{DECLARATIONS, Engine, Error};

/// The shortest time: a repeat within a day is never refused.
const SHORTEST: Millis = Millis::days(1);

/// The longest time.
const LONGEST: Millis = Millis::days(LONGEST_LEDGER_DAYS);

/// A command that began before a change of the time, or before a sweep, has ended after it. Clocks of hosts differ less.
const MARGIN: Millis = Millis::minutes(60);

/// The member of the declaration with the term.
const TERM: &str = "ledger";

/// The settings of an engine itself, besides those of its domains.
pub static SETTINGS: SettingsDeclaration = SettingsDeclaration::new::<LedgerSettings>();

/// The settings of the command ledger.
#[derive(Clone, Debug, Default, PartialEq, Parameters)]
pub struct LedgerSettings {
    /// How long the results of commands are kept, in milliseconds, from 1 to 365 days. The store keeps it, for all
    /// processes; by default it stays as it is, which is 7 days in a new store.
    #[operation(name = "ledgerMs")]
    pub kept: Option<Millis>,
}

impl DomainSettings for LedgerSettings {
    fn check(&self) -> Result<(), Rejection> {
        match self.kept {
            Some(kept) if !(SHORTEST..=LONGEST).contains(&kept) => {
                let reason = format!("{} ms is not valid; use 1 to 365 days", kept.0);
                Err(Rejection::Invalid { field: "ledgerMs".to_owned(), reason })
            }
            _ => Ok(()),
        }
    }
}

/// The time for which the ledger of a store keeps rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LedgerTerm {
    /// How long rows are kept.
    #[serde(rename = "kept_ms")]
    kept: Millis,
    /// Rows of earlier commands may have been removed when the time was shorter.
    complete_since: Timestamp,
    /// The longest time within an hour before the last change.
    #[serde(rename = "before_ms")]
    before: Millis,
    /// When it was last changed.
    changed_at: Timestamp,
}

impl Default for LedgerTerm {
    fn default() -> Self {
        let (kept, never) = (Millis::days(LEDGER_DAYS), Timestamp::from_millis(0));
        Self { kept, complete_since: never, before: kept, changed_at: never }
    }
}

impl LedgerTerm {
    /// The term that follows when the time is changed.
    fn with_kept(self, kept: Millis, now: Timestamp) -> Self {
        let complete_since = self.complete_since.max(now - self.kept);
        Self { kept, complete_since, before: self.swept_after(now), changed_at: now }
    }

    /// How old a row is when a sweep removes it. After a change to a shorter time, commands under way may still rely on
    /// the longer one.
    pub(super) fn swept_after(self, now: Timestamp) -> Millis {
        if now.since(self.changed_at) < MARGIN { self.kept.max(self.before) } else { self.kept }
    }

    /// The time since which the ledger has the row of every command, also when the command that asks has ended.
    fn complete_since(self, now: Timestamp) -> Timestamp {
        (now - self.kept).max(self.complete_since) + MARGIN
    }

    fn read(stored: &StoredDocument) -> Result<Self, Error> {
        let term = stored.document.get(TERM).cloned().unwrap_or_default();
        let term: Result<Self, _> = serde_json::from_value(term);
        term.map_err(|problem| {
            let at = place().to_string();
            StoreError::Corrupt { at, why: format!("its `{TERM}` is not valid: {problem}") }.into()
        })
    }

    fn write(self, expect: Expectation) -> Result<Write, Error> {
        let term = serde_json::to_value(self).map_err(|error| Error::internal(error.to_string()))?;
        let members = [
            ("id", json!(COMMANDS.name)),
            ("collection", json!(COMMANDS.name)),
            ("version", json!(COMMANDS.version)),
            ("fields", json!([])),
            ("indexes", json!([])),
            (TERM, term),
        ];
        let document: Document = collect_document(members.map(|(name, value)| (name.to_owned(), value)));
        let op = WriteOp::Put { version: DECLARATIONS.version, document: Arc::new(document) };
        Ok(Write { key: place(), expect, op })
    }
}

/// Whether a document of `runstate.declarations` declares the ledger, not a collection.
pub(super) fn is_declaration_of_ledger(id: &str) -> bool {
    id == COMMANDS.name
}

#[cfg(feature = "verify")]
pub(super) fn declaration_problem(stored: &StoredDocument) -> Option<String> {
    LedgerTerm::read(stored).err().map(|error| error.message)
}

fn place() -> Key {
    Key::new(&DECLARATIONS, COMMANDS.name)
}

impl Engine {
    /// How long the ledger of the store keeps the results of commands.
    pub async fn ledger_time(&self) -> Result<Millis, Error> {
        Ok(self.ledger_term().await?.kept)
    }

    pub(super) async fn ledger_term(&self) -> Result<LedgerTerm, Error> {
        Ok(self.stored_ledger_term().await?.map(|(term, _)| term).unwrap_or_default())
    }

    async fn stored_ledger_term(&self) -> Result<Option<(LedgerTerm, StoredDocument)>, Error> {
        let found = self.store().get(&[place()], Freshness::Linearizable).await?.pop().flatten();
        found.map(|stored| Ok((LedgerTerm::read(&stored)?, stored))).transpose()
    }

    /// Stores the time of the settings, if they have one and it is another one. A store that takes no writes keeps its
    /// own, and so does one that is opened for reading.
    pub(super) async fn set_ledger_time(&self) -> Result<(), Error> {
        let Some(kept) = self.settings().get::<LedgerSettings>().kept else { return Ok(()) };
        let mut attempt = 0;
        loop {
            let (term, stored) =
                self.stored_ledger_term().await?.map_or_else(Default::default, |(term, stored)| (term, Some(stored)));
            let takes_no_writes = self.shared.collections.only_reads || self.store().read_only_reason().is_some();
            if term.kept == kept || takes_no_writes {
                return Ok(());
            }
            let expect = stored.map_or(Expectation::Absent, |stored| Expectation::Revision(stored.revision));
            let write = term.with_kept(kept, self.now()).write(expect)?;
            attempt += 1;
            match self.store().commit(self.declaration_batch(vec![write])).await {
                // Another process has changed it. An unknown outcome shows in the next read.
                Err(StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. }) if attempt < DECIDE_ATTEMPTS => {}
                Err(StoreError::Full { .. } | StoreError::ReadOnly { .. }) => return Ok(()),
                committed => return committed.map(drop).map_err(Error::from),
            }
        }
    }

    /// Refuses a command that may have been applied so long ago that the ledger has no row of it any more.
    pub(super) async fn refuse_expired(&self, id: &CommandId) -> Result<(), Error> {
        let now = self.now();
        let Some(made) = time_of(id.as_str()) else { return Ok(()) };
        if now.since(made) < Millis(SHORTEST.0 - MARGIN.0) {
            return Ok(());
        }
        let since = self.ledger_term().await?.complete_since(now);
        if made >= since || self.store().outcome(id).await? != Outcome::Absent {
            return Ok(());
        }
        let message = format!(
            "command `{id}` was made at {}, and the results of commands are kept since {}, so it may have been applied before; nothing \
             was changed. Read what it changes; if it was not applied, send it under a new id",
            made.to_rfc3339(),
            since.to_rfc3339()
        );
        Err(Error::new(ErrorCode::STALE, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(days: i64) -> Timestamp {
        Timestamp::from_millis(Millis::days(days).0)
    }

    /// Whatever the changes: no sweep of a term, or of the one before it within an hour, removes the row of a command
    /// that the term accepts.
    #[test]
    fn a_command_that_is_accepted_has_its_row() {
        let mut term = LedgerTerm::default();
        let mut swept_until = Timestamp::from_millis(i64::MIN);
        let mut now = at(400);
        for (step, kept) in [7, 30, 1, 90, 2, 2, 365, 7, 1, 30].into_iter().enumerate() {
            // A command that was accepted within the last hour still runs.
            let accepted_before = term.complete_since(now);
            term = term.with_kept(Millis::days(kept), now);
            for hours in 0..50 {
                let later = now + Millis::minutes(60 * hours);
                let swept_now = later - term.swept_after(later);
                if hours == 0 {
                    assert!(swept_now < accepted_before, "step {step}: a command under way");
                }
                swept_until = swept_until.max(swept_now);
                assert!(swept_until < term.complete_since(later), "step {step}, hour {hours}");
            }
            now = now + Millis::days(if step % 2 == 0 { 3 } else { 40 });
        }
    }

    #[test]
    fn a_longer_time_brings_no_removed_rows_back() {
        let term = LedgerTerm::default().with_kept(Millis::days(30), at(100));
        assert_eq!(term.complete_since(at(100)), at(93) + MARGIN);
        assert_eq!(term.complete_since(at(110)), at(93) + MARGIN);
        assert_eq!(term.complete_since(at(124)), at(94) + MARGIN);
        let shorter = term.with_kept(Millis::days(1), at(200));
        assert_eq!(shorter.complete_since(at(200)), at(199) + MARGIN);
        assert_eq!((shorter.swept_after(at(200)), shorter.swept_after(at(201))), (Millis::days(30), Millis::days(1)));
    }
}
