//! Due work: executions with an expired timer, deadline or run lease, executions past their retention, and expired rows. Indexes find all
//! of it; the host decides when to look.

use serde::{Deserialize, Serialize};

use super::Cvm;
use crate::domain::cvm::{Delete, DeleteRows, EXECUTIONS, RunDue};
use crate::engine::{Error, Origin, STAGED, log};
use crate::error_code::ErrorCode;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Query};
use crate::store::{Freshness, Row};
use crate::time::{Millis, Timestamp};
use crate::value::{self, Json};

/// How far a due execution is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum RunLimit {
    /// To its next stop.
    Stop,
    /// One slice, or one batch of a deletion. The remaining work is due at once, for any process. Suits a host that runs due work between
    /// the commands of a waiting caller.
    Slice,
}

/// The result of running due work.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DueReport {
    /// Executions that were resumed.
    pub woken: u32,
    /// Executions deleted because their retention ended, or because an earlier deletion was interrupted.
    pub deleted: u32,
    /// Rows removed because they expired, or because the command that staged them was abandoned.
    pub swept: u64,
    /// Whether more may be due than the limit allowed.
    pub more: bool,
    /// Executions whose due work failed. They do not delay the others.
    pub failed: Vec<DueFailure>,
}

/// An execution or a collection whose due work failed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DueFailure {
    /// The id of the execution, or the name of the collection.
    pub execution: String,
    /// The error.
    pub error: Error,
}

impl DueReport {
    fn add_failure(&mut self, execution: &str, error: Error) {
        log::due_failed(execution, &error);
        self.failed.push(DueFailure { execution: execution.to_owned(), error });
    }

    /// Whether nothing was due.
    pub fn is_empty(&self) -> bool {
        self.woken == 0 && self.deleted == 0 && self.swept == 0 && self.failed.is_empty()
    }
}

/// Number of due executions per query.
const PAGE: u32 = 64;

impl Cvm {
    /// Runs the work that is due now, for at most `limit` executions and as many rows. Several hosts may do so concurrently: each item is
    /// done once.
    pub async fn run_due(&self, limit: u32, run_limit: RunLimit) -> Result<DueReport, Error> {
        let now = self.engine.now();
        let mut due = DueReport::default();
        self.run_due_executions(now, limit, run_limit, &mut due).await?;
        self.delete_past_retention(now, limit, run_limit, &mut due).await?;
        let expired = self.engine.sweep(now, limit as usize).await?;
        let removed = match self.engine.remove_abandoned(now, limit).await {
            Ok(removed) => u64::from(removed),
            // The caller must still receive the report of the work done so far.
            Err(error) if error.code == ErrorCode::Corrupt => {
                due.add_failure(STAGED.name, error);
                0
            }
            Err(error) => return Err(error),
        };
        // As many rows of one collection as the limit allows may not be all of them.
        due.more |= removed.max(expired) >= u64::from(limit.max(1));
        due.swept = removed + expired;
        Ok(due)
    }

    /// Runs the due work of one execution: applies deadlines that have passed, and drives the execution to its next stop. Does nothing if
    /// nothing is due.
    pub async fn run_due_execution(&self, execution: &str) -> Result<(), Error> {
        self.run_one_due(execution, RunLimit::Stop).await.map(|_| ())
    }

    /// The time at which [`Cvm::run_due`] next has work; `None`: not before another command. A time in the past means now.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.next_due_with(Freshness::Linearizable).await
    }

    /// As [`Cvm::next_due`], but it may miss recent commits of other processes ([`Freshness::Session`]). Suits a caller that calls it after
    /// each of its own commands, and [`Cvm::next_due`] from time to time.
    pub async fn next_due_known(&self) -> Result<Option<Timestamp>, Error> {
        self.next_due_with(Freshness::Session).await
    }

    async fn next_due_with(&self, freshness: Freshness) -> Result<Option<Timestamp>, Error> {
        let mut next = self.earliest(Query::of(&EXECUTIONS), "wakeAt", Millis(0), freshness).await?;
        if let Some(retention) = self.engine.settings().retention {
            // An execution that is being deleted belongs to the deleting process until its lease ends; nothing is due before.
            let query = Query::of(&EXECUTIONS).filter(not_being_deleted());
            next = next.into_iter().chain(self.earliest(query, "completed", retention, freshness).await?).min();
        }
        Ok(next)
    }

    async fn earliest(
        &self,
        query: Query,
        field: &str,
        delay: Millis,
        freshness: Freshness,
    ) -> Result<Option<Timestamp>, Error> {
        let query = query.filter(Filter::Exists(field.to_owned(), true));
        let query = query.filter(Filter::Gte(field.to_owned(), i64::MIN.into())).sort(field, Ascending).limit(1);
        let page = self.engine.store().query_with(&query, freshness).await?;
        let at = |row: &Row| value::get(&row.stored.document, field).and_then(Json::as_i64);
        Ok(page.items.first().and_then(at).map(|at| Timestamp::from_millis(at) + delay))
    }

    async fn run_due_executions(
        &self,
        now: Timestamp,
        limit: u32,
        run_limit: RunLimit,
        due: &mut DueReport,
    ) -> Result<(), Error> {
        let query = Query::of(&EXECUTIONS)
            .filter(Filter::Exists("wakeAt".to_owned(), true))
            .filter(Filter::Lte("wakeAt".to_owned(), now.as_millis().into()))
            .sort("wakeAt", Ascending)
            .limit(PAGE);
        let mut cursor = None;
        loop {
            let page = self.engine.store().query_with(&query.clone().after(cursor), Freshness::Session).await?;
            for row in page.items {
                if due.woken + due.deleted >= limit {
                    due.more = true;
                    return Ok(());
                }
                match self.run_one_due(&row.id, run_limit).await {
                    Ok(DueAction::Resumed) => due.woken += 1,
                    Ok(DueAction::Deleted) => due.deleted += 1,
                    Ok(DueAction::NotDue) => {}
                    Err(error) => due.add_failure(&row.id, error),
                }
            }
            // Executions whose due work failed are still due. The cursor moves past them; a repeated query would not.
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn run_one_due(&self, execution: &str, run_limit: RunLimit) -> Result<DueAction, Error> {
        let run_due = RunDue { id: execution.to_owned(), hand_back: run_limit == RunLimit::Slice };
        let command = self.engine.new_command_id();
        let outcome = self.engine.execute_part(&run_due, &command, Origin::Engine).await?.output;
        if let Some(incarnation) = outcome.deleting {
            let rows = DeleteRows::new(execution, incarnation);
            self.delete_rows(&rows, &command, Origin::Engine, run_limit).await?;
            return Ok(DueAction::Deleted);
        }
        let Some(reached) = outcome.reached.filter(|_| outcome.was_due) else { return Ok(DueAction::NotDue) };
        if run_limit == RunLimit::Stop {
            self.drive(reached, &command, Origin::Engine).await?;
        }
        Ok(DueAction::Resumed)
    }

    /// Deletes executions past their retention.
    async fn delete_past_retention(
        &self,
        now: Timestamp,
        limit: u32,
        run_limit: RunLimit,
        due: &mut DueReport,
    ) -> Result<(), Error> {
        let Some(retention) = self.engine.settings().retention else { return Ok(()) };
        self.delete_ended(now - retention, limit, run_limit, due).await
    }

    /// Number of executions that ended at or before `before`.
    pub async fn count_finished(&self, before: Timestamp) -> Result<u64, Error> {
        self.engine.count_where(EXECUTIONS.name, finished(before).filter).await
    }

    /// Deletes up to `limit` executions that ended at or before `before`.
    pub async fn delete_finished(&self, before: Timestamp, limit: u32, due: &mut DueReport) -> Result<(), Error> {
        self.delete_ended(before, limit, RunLimit::Stop, due).await
    }

    async fn delete_ended(
        &self,
        before: Timestamp,
        limit: u32,
        run_limit: RunLimit,
        due: &mut DueReport,
    ) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let page =
                self.engine.store().query_with(&finished(before).limit(PAGE).after(cursor), Freshness::Session).await?;
            for row in page.items {
                if due.deleted >= limit {
                    due.more = true;
                    return Ok(());
                }
                let delete = Delete { id: row.id.to_string(), ended_by: Some(before) };
                match self.try_delete(&delete, None, run_limit).await {
                    Ok(true) => due.deleted += 1,
                    Ok(false) => {}
                    // Another process deleted or retried it meanwhile.
                    Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::IllegalTransition) => {}
                    Err(error) => due.add_failure(&row.id, error),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

/// Executions that ended at or before `before`, the earliest first.
pub(super) fn finished(before: Timestamp) -> Query {
    Query::of(&EXECUTIONS)
        .filter(Filter::Lte("completed".to_owned(), before.as_millis().into()))
        .filter(not_being_deleted())
        .sort("completed", Ascending)
}

/// Matches executions that no process deletes. An older version, which set no `wakeAt`, may have begun to delete them.
fn not_being_deleted() -> Filter {
    let absent = |field: &str| Filter::Exists(field.to_owned(), false);
    Filter::Or(vec![absent("deleting"), absent("wakeAt")])
}

/// The result of running a due execution.
enum DueAction {
    Resumed,
    Deleted,
    NotDue,
}
