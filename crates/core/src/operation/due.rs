//! Due rules. Work whose time has come is found by an index, in every process alike, so nothing is lost when a process
//! dies.

use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json};

use crate::decision::AnyCommand;
use crate::decision::EngineSettings;
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Query};

/// How the due work of an entity is found and done.
#[derive(Debug)]
pub struct DueRule {
    /// Its name, `domain.what`.
    pub name: &'static str,
    /// The collection of the entity.
    pub collection: &'static Collection,
    /// The timestamp from which the entity is due: in an index the first field, or the first after those that `filter`
    /// fixes. Documents without it are never due.
    pub field: &'static str,
    /// The time after that timestamp at which the entity is due; `None`: with these settings the rule does not apply.
    pub delay: fn(&EngineSettings) -> Option<Millis>,
    /// The least time between a commit that makes an entity due and the timestamp that it sets. While it and the delay
    /// last, `Engine::poll_due` need not read the store again.
    pub lead: fn(&EngineSettings) -> Millis,
    /// The longest time ahead that the rule sets; `None`: any. A later timestamp is of a clock that was wrong, so the
    /// command is executed for that entity too, with [`DueRow::until`] before its timestamp.
    pub horizon: Option<Millis>,
    /// A further condition.
    pub filter: fn() -> Filter,
    /// The command for an entity that is due. It must find out itself whether the entity still is due, because another
    /// process may have been faster.
    pub command: fn(DueRow<'_>) -> Box<dyn AnyCommand>,
    /// The kind of work that the command has done, from its result; `None`: nothing.
    pub outcome: fn(&Json) -> Option<DueKind>,
    /// Whether the store does its own regular work (`StoreAdmin::maintain`) before the command of such an entity.
    pub maintains: fn(&Document) -> bool,
    /// Whether it deletes entities that were kept long enough, so that a sweep does its work too.
    pub is_retention: bool,
}

impl DueRule {
    /// A rule for entities that are due at the time in `field`. Struct update syntax changes the rest.
    pub const fn new(
        name: &'static str,
        collection: &'static Collection,
        field: &'static str,
        command: fn(DueRow<'_>) -> Box<dyn AnyCommand>,
    ) -> Self {
        Self {
            name,
            collection,
            field,
            delay: |_| Some(Millis(0)),
            lead: |_| Millis(0),
            horizon: None,
            filter: || Filter::All,
            command,
            outcome: |_| Some(DueKind::Resumed),
            maintains: |_| false,
            is_retention: false,
        }
    }

    /// The entities whose timestamp is at or before `until`, or all, the earliest first.
    pub fn query(&self, until: Option<Timestamp>) -> Query {
        let field = self.field.to_owned();
        self.query_where(match until {
            Some(until) => Filter::Lte(field, until.as_millis().into()),
            // An index of timestamps is selected by a condition on their order.
            None => Filter::Gte(field, i64::MIN.into()),
        })
    }

    /// The entities that have work at `until`, or whose field holds a text: no time finds those.
    pub fn work_queries(&self, until: Timestamp) -> Vec<Query> {
        let latest =
            self.horizon.map(|horizon| Filter::Gt(self.field.to_owned(), (until + horizon).as_millis().into()));
        let texts = Filter::Gte(self.field.to_owned(), "".into());
        let misplaced = latest.into_iter().chain([texts]).map(|bound| self.query_where(bound));
        [self.query(Some(until))].into_iter().chain(misplaced).collect()
    }

    fn query_where(&self, bound: Filter) -> Query {
        Query::of(self.collection)
            .filter(Filter::Exists(self.field.to_owned(), true))
            .filter(bound)
            .filter((self.filter)())
            .sort(self.field, Ascending)
    }
}

/// A document that is due.
#[derive(Clone, Copy, Debug)]
pub struct DueRow<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its fields.
    pub document: &'a Document,
    /// Documents whose timestamp is at or before this time are due.
    pub until: Timestamp,
    /// Whether the caller stops after the first part of the work, and other processes do the rest.
    pub one_part: bool,
    /// The rows of the views that the store has refreshed for it; `None`: it has none.
    pub refreshed: Option<u64>,
}

/// The kind of work that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// An entity was resumed or otherwise changed.
    Resumed,
    /// An entity was deleted.
    Deleted,
}
