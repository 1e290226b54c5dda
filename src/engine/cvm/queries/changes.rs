//! What changes, in the words of this domain.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::Cvm;
use super::fields::Fields;
use crate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use crate::engine::Error;
use crate::id::CommandId;
use crate::schema::{Collection, Key};
use crate::store::{ChangeEvent, Position};
use crate::time::Millis;

/// Changes told at once where the caller does not say.
const CHANGES: usize = 256;

/// Most changes that one call looks at, told or not: it comes back in bounded time also where others never stop writing.
const MOST_LOOKED_AT: usize = 10_000;

/// A kind of thing that changes. How heaps are kept is nobody's business: their pages are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Thing {
    /// A program got another version, description or tags, or is new.
    Program,
    /// A version of a program.
    Version,
    /// An execution: its status and all that its head says.
    Execution,
    /// A call was asked, taken, answered.
    Call,
    /// Lines of output.
    Output,
    /// A row of the log.
    Log,
}

/// Which changes to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangesOf {
    /// Only of these things; `None`: of all.
    pub things: Option<Vec<Thing>>,
    /// Only of these executions and what belongs to them; `None`: of all. Programs and versions belong to none.
    pub executions: Option<Vec<String>>,
    /// At most so many at once; `None`: 256. Never more than 10,000.
    pub limit: Option<usize>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CvmChange {
    /// What changed.
    pub thing: Thing,
    /// Its id.
    pub id: String,
    /// The execution it belongs to. Of what is gone by now only the id is known, unless it is an execution itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// It was deleted.
    pub deleted: bool,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of its commit.
    pub position: Position,
}

/// Changes, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CvmChanges {
    /// In the order of commits.
    pub events: Vec<CvmChange>,
    /// Where to go on.
    pub next: Position,
}

impl Cvm {
    /// Committed changes after `from` (`None`: from now on), at least once each, in the order of commits. Where there are none that are
    /// asked for it waits up to `wait` for one; what others write meanwhile does not end the wait.
    ///
    /// Nothing told does not mean that nothing follows: 10,000 changes are looked at, then the call comes back with where to go on.
    /// Where one execution is asked for, rows of it that are gone by now are not told: nobody knows whose they were. That the execution
    /// itself was deleted is.
    ///
    /// `position_expired`: `from` is older than what the store keeps, or of another store; look at what there is, and go on from `None`.
    /// `invalid`: `from` is not a position.
    pub async fn changes(&self, from: Option<Position>, of: &ChangesOf, wait: Millis) -> Result<CvmChanges, Error> {
        let begun = self.engine.now();
        let limit = of.limit.unwrap_or(CHANGES).min(MOST_LOOKED_AT);
        let (mut from, mut looked) = (from, 0);
        loop {
            // A clock that goes back must not make it wait longer.
            let left = (wait.0.saturating_sub(self.engine.now().since(begun).0)).clamp(0, wait.0.max(0));
            let changes = self.engine.store().changes(from, limit, Millis(left)).await?;
            let found = changes.events.len();
            looked += found;
            let events = self.told(changes.events, of).await?;
            if !events.is_empty() || found == 0 || looked >= MOST_LOOKED_AT {
                return Ok(CvmChanges { events, next: changes.next });
            }
            from = Some(changes.next);
        }
    }

    /// What of `events` is asked for.
    async fn told(&self, events: Vec<ChangeEvent>, of: &ChangesOf) -> Result<Vec<CvmChange>, Error> {
        let known = events.into_iter().filter_map(|event| Some((Thing::of(&event.key)?, event)));
        let asked: Vec<(Thing, ChangeEvent)> = known.filter(|(thing, _)| of.asks_for(*thing)).collect();
        let owners = self.owners(&asked).await?;
        let told = asked.into_iter().map(|(thing, event)| {
            let execution_id = match thing {
                Thing::Execution => Some(event.key.id.to_string()),
                _ => owners.get(&event.key).cloned(),
            };
            CvmChange {
                thing,
                id: event.key.id.to_string(),
                execution_id,
                deleted: event.revision.is_none(),
                command: event.command,
                position: event.position,
            }
        });
        Ok(told.filter(|change| of.is_of(change)).collect())
    }

    /// The executions that rows belong to: their keys do not say.
    async fn owners(&self, events: &[(Thing, ChangeEvent)]) -> Result<HashMap<Key, String>, Error> {
        let rows = events.iter().filter(|(thing, event)| thing.is_row() && event.revision.is_some());
        let keys: Vec<Key> = rows.map(|(_, event)| event.key.clone()).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.engine.store().get(&keys).await?;
        let owner =
            |(key, row): (Key, Option<crate::store::Stored>)| Some((key, Fields(&row?.document).text("executionId")?));
        Ok(keys.into_iter().zip(found).filter_map(owner).collect())
    }
}

impl ChangesOf {
    fn asks_for(&self, thing: Thing) -> bool {
        let owned = thing.is_row() || thing == Thing::Execution;
        self.things.as_ref().is_none_or(|things| things.contains(&thing)) && (owned || self.executions.is_none())
    }

    fn is_of(&self, change: &CvmChange) -> bool {
        self.executions.as_ref().is_none_or(|ids| change.execution_id.as_ref().is_some_and(|id| ids.contains(id)))
    }
}

impl Thing {
    /// Every thing and the collection it stands in.
    const ALL: [(Thing, &'static Collection); 6] = [
        (Thing::Program, &PROGRAMS),
        (Thing::Version, &PROGRAM_VERSIONS),
        (Thing::Execution, &EXECUTIONS),
        (Thing::Call, &CC_HISTORY),
        (Thing::Output, &OUTPUTS),
        (Thing::Log, &EXECUTION_LOGS),
    ];

    fn of(key: &Key) -> Option<Self> {
        Self::ALL.iter().find(|(_, collection)| collection.name == key.collection).map(|(thing, _)| *thing)
    }

    /// Whether it belongs to an execution that its key does not name.
    fn is_row(self) -> bool {
        matches!(self, Thing::Call | Thing::Output | Thing::Log)
    }
}
