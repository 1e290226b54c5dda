//! The change feed in the terms of this domain.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::Cvm;
use super::FieldReader;
use crate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use crate::engine::Error;
use crate::id::CommandId;
use crate::schema::{Collection, Key};
use crate::store::{ChangeEvent, Position};
use crate::time::Millis;

/// Maximum number of changes per call, if the caller names none.
const DEFAULT_LIMIT: usize = 256;

/// Maximum number of changes that one call examines, whether it returns them or not. It bounds a call while other processes keep writing.
const MAX_SCANNED: usize = 10_000;

/// A kind of document that changes. Heap pages are internal and have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ChangeSubject {
    /// A program that is new, or has another version, description or tags.
    Program,
    /// A version of a program.
    Version,
    /// An execution: its status and the other fields of its head.
    Execution,
    /// A call that was made, claimed or answered.
    Call,
    /// Lines of output.
    Output,
    /// A row of the log.
    Log,
}

/// Selects changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only these kinds of documents; `None`: all.
    pub things: Option<Vec<ChangeSubject>>,
    /// Only these executions and their rows; `None`: all. Programs and versions belong to no execution.
    pub executions: Option<Vec<String>>,
    /// Maximum number per call; `None`: 256. Never more than 10,000.
    pub limit: Option<usize>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CvmChange {
    /// The kind of document that changed.
    pub thing: ChangeSubject,
    /// Its id.
    pub id: String,
    /// The execution it belongs to. Missing for a row that has been deleted since, because only its id is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of its commit.
    pub position: Position,
}

/// Changes, and the position at which to continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CvmChanges {
    /// In commit order.
    pub events: Vec<CvmChange>,
    /// The position at which to continue.
    pub next: Position,
}

impl Cvm {
    /// Committed changes after `from` (`None`: from now on), in commit order, each at least once. If none is selected it waits for one, at
    /// most for `wait`; other changes do not end the wait.
    ///
    /// An empty result does not mean that no change follows: a call examines 10,000 changes, then it returns the position at which to
    /// continue. If [`ChangeFilter::executions`] is set, changes of rows that have been deleted since are missing, because their execution
    /// is unknown. The deletion of the execution itself is included.
    ///
    /// Errors: `position_expired` if the store no longer keeps the changes after `from`, or if `from` is of another store. Read the
    /// documents then, and continue from `None`. `invalid` if `from` is not a position.
    pub async fn changes(
        &self,
        from: Option<Position>,
        filter: &ChangeFilter,
        wait: Millis,
    ) -> Result<CvmChanges, Error> {
        let started = self.engine.now();
        let limit = filter.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_SCANNED);
        let (mut from, mut scanned) = (from, 0);
        loop {
            // A clock that is set back must not extend the wait.
            let remaining = (wait.0.saturating_sub(self.engine.now().since(started).0)).clamp(0, wait.0.max(0));
            let changes = self.engine.store().changes(from, limit, Millis(remaining)).await?;
            let found = changes.events.len();
            scanned += found;
            let events = self.select_changes(changes.events, filter).await?;
            if !events.is_empty() || found == 0 || scanned >= MAX_SCANNED {
                return Ok(CvmChanges { events, next: changes.next });
            }
            from = Some(changes.next);
        }
    }

    /// The changes that `filter` selects.
    async fn select_changes(&self, events: Vec<ChangeEvent>, filter: &ChangeFilter) -> Result<Vec<CvmChange>, Error> {
        let cvm_events = events.into_iter().filter_map(|event| Some((ChangeSubject::from_key(&event.key)?, event)));
        let selected: Vec<(ChangeSubject, ChangeEvent)> =
            cvm_events.filter(|(subject, _)| filter.includes_subject(*subject)).collect();
        let owners = self.find_owners(&selected).await?;
        let changes = selected.into_iter().map(|(subject, event)| {
            let execution_id = match subject {
                ChangeSubject::Execution => Some(event.key.id.to_string()),
                _ => owners.get(&event.key).cloned(),
            };
            CvmChange {
                thing: subject,
                id: event.key.id.to_string(),
                execution_id,
                deleted: event.revision.is_none(),
                command: event.command,
                position: event.position,
            }
        });
        Ok(changes.filter(|change| filter.matches(change)).collect())
    }

    /// The executions that rows belong to, which the keys of the rows do not contain.
    async fn find_owners(&self, events: &[(ChangeSubject, ChangeEvent)]) -> Result<HashMap<Key, String>, Error> {
        let rows = events.iter().filter(|(subject, event)| subject.belongs_to_execution() && event.revision.is_some());
        let keys: Vec<Key> = rows.map(|(_, event)| event.key.clone()).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.engine.store().get(&keys).await?;
        let owner = |(key, row): (Key, Option<crate::store::StoredDocument>)| {
            Some((key, FieldReader(&row?.document).text("executionId")?))
        };
        Ok(keys.into_iter().zip(found).filter_map(owner).collect())
    }
}

impl ChangeFilter {
    fn includes_subject(&self, subject: ChangeSubject) -> bool {
        let has_execution = subject.belongs_to_execution() || subject == ChangeSubject::Execution;
        self.things.as_ref().is_none_or(|subjects| subjects.contains(&subject))
            && (has_execution || self.executions.is_none())
    }

    fn matches(&self, change: &CvmChange) -> bool {
        self.executions.as_ref().is_none_or(|ids| change.execution_id.as_ref().is_some_and(|id| ids.contains(id)))
    }
}

impl ChangeSubject {
    /// Every subject and its collection.
    const ALL: [(ChangeSubject, &'static Collection); 6] = [
        (ChangeSubject::Program, &PROGRAMS),
        (ChangeSubject::Version, &PROGRAM_VERSIONS),
        (ChangeSubject::Execution, &EXECUTIONS),
        (ChangeSubject::Call, &CC_HISTORY),
        (ChangeSubject::Output, &OUTPUTS),
        (ChangeSubject::Log, &EXECUTION_LOGS),
    ];

    fn from_key(key: &Key) -> Option<Self> {
        Self::ALL.iter().find(|(_, collection)| collection.name == key.collection).map(|(subject, _)| *subject)
    }

    /// Whether it belongs to an execution that its key does not contain.
    fn belongs_to_execution(self) -> bool {
        matches!(self, ChangeSubject::Call | ChangeSubject::Output | ChangeSubject::Log)
    }
}
