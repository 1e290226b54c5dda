//! What is due: executions whose timers, deadlines or dead processes want them looked at, finished ones that are kept no longer, and what
//! expires. All of it is found by index; the host says when.

use serde::{Deserialize, Serialize};

use super::Cvm;
use crate::code::Code;
use crate::domain::cvm::{Delete, DeleteRows, EXECUTIONS, Wake};
use crate::engine::{Error, Origin, STAGED, log};
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Query};
use crate::store::{Freshness, Row};
use crate::time::{Millis, Timestamp};
use crate::value::{self, Json};

/// How far an execution that is due is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Pace {
    /// To its next stop.
    Stop,
    /// One slice, or one batch of a deletion: what is left is due again at once, for whoever has the time. Between two commands of somebody
    /// who waits for them.
    Slice,
}

/// What was due and done.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Due {
    /// Executions that went on.
    pub woken: u32,
    /// Executions whose retention was over, or whose deletion had been left half done.
    pub deleted: u32,
    /// Rows that had expired.
    pub swept: u64,
    /// There is more than was asked for.
    pub more: bool,
    /// Executions for which it could not be done; the others are not held up by them.
    pub failed: Vec<StillDue>,
}

/// An execution, or a collection, for which what is due could not be done.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StillDue {
    /// The execution; the collection's name where it is none.
    pub execution: String,
    /// Why.
    pub error: Error,
}

impl Due {
    fn fail(&mut self, execution: &str, error: Error) {
        log::still_due(execution, &error);
        self.failed.push(StillDue { execution: execution.to_owned(), error });
    }

    /// Whether nothing was due.
    pub fn is_nothing(&self) -> bool {
        self.woken == 0 && self.deleted == 0 && self.swept == 0 && self.failed.is_empty()
    }
}

/// How many due executions are looked up at once.
const PAGE: u32 = 64;

impl Cvm {
    /// Does what is due now, for at most `limit` executions and as many rows. Several hosts may do so at once: each thing is done once.
    pub async fn run_due(&self, limit: u32, pace: Pace) -> Result<Due, Error> {
        let now = self.engine.now();
        let mut due = Due::default();
        self.wake_all(now, limit, pace, &mut due).await?;
        self.retire(now, limit, pace, &mut due).await?;
        let expired = self.engine.sweep(now, limit as usize).await?;
        let removed = match self.engine.remove_abandoned(now, limit).await {
            Ok(removed) => u64::from(removed),
            // What was done so far is to be told all the same.
            Err(error) if error.code == Code::Corrupt => {
                due.fail(STAGED.name, error);
                0
            }
            Err(error) => return Err(error),
        };
        // As many as it may be of one collection are perhaps not all.
        due.more |= removed.max(expired) >= u64::from(limit.max(1));
        due.swept = removed + expired;
        Ok(due)
    }

    /// Does what is due of one execution: ends what has passed its deadline and drives it to its next stop. Nothing happens where nothing is due.
    pub async fn wake(&self, execution: &str) -> Result<(), Error> {
        self.wake_one(execution, Pace::Stop).await.map(|_| ())
    }

    /// When [`Cvm::run_due`] has something to do next; `None`: not before something is commanded. A moment that has passed: at once.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.next_due_with(Freshness::Linearizable).await
    }

    /// As [`Cvm::next_due`], with the commands of this process and what it has read of others; the store is not asked for more where it can be
    /// answered without. For a caller that asks after each of its own commands, and asks [`Cvm::next_due`] from time to time.
    pub async fn next_due_known(&self) -> Result<Option<Timestamp>, Error> {
        self.next_due_with(Freshness::Validated).await
    }

    async fn next_due_with(&self, freshness: Freshness) -> Result<Option<Timestamp>, Error> {
        let mut next = self.earliest(Query::of(&EXECUTIONS), "wakeAt", Millis(0), freshness).await?;
        if let Some(retention) = self.engine.settings().retention {
            // One that is being deleted is somebody's until its lease ends, and until then nothing is to do.
            let kept = Query::of(&EXECUTIONS).filter(nobodys());
            next = next.into_iter().chain(self.earliest(kept, "completed", retention, freshness).await?).min();
        }
        Ok(next)
    }

    async fn earliest(
        &self,
        of: Query,
        field: &str,
        later: Millis,
        freshness: Freshness,
    ) -> Result<Option<Timestamp>, Error> {
        let query = of.filter(Filter::Exists(field.to_owned(), true));
        let query = query.filter(Filter::Gte(field.to_owned(), i64::MIN.into())).sort(field, Ascending).limit(1);
        let page = self.engine.store().query_with(&query, freshness).await?;
        let at = |row: &Row| value::get(&row.stored.document, field).and_then(Json::as_i64);
        Ok(page.rows.first().and_then(at).map(|at| Timestamp::from_millis(at) + later))
    }

    async fn wake_all(&self, now: Timestamp, limit: u32, pace: Pace, due: &mut Due) -> Result<(), Error> {
        let query = Query::of(&EXECUTIONS)
            .filter(Filter::Exists("wakeAt".to_owned(), true))
            .filter(Filter::Lte("wakeAt".to_owned(), now.as_millis().into()))
            .sort("wakeAt", Ascending)
            .limit(PAGE);
        let mut cursor = None;
        loop {
            let page = self.engine.store().query(&query.clone().after(cursor)).await?;
            for row in page.rows {
                if due.woken + due.deleted >= limit {
                    due.more = true;
                    return Ok(());
                }
                match self.wake_one(&row.id, pace).await {
                    Ok(Awoken::WentOn) => due.woken += 1,
                    Ok(Awoken::Deleted) => due.deleted += 1,
                    Ok(Awoken::NotDue) => {}
                    Err(error) => due.fail(&row.id, error),
                }
            }
            // Those that could not be woken are still due: what comes behind them is found by going on, not by asking again.
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn wake_one(&self, execution: &str, pace: Pace) -> Result<Awoken, Error> {
        let wake = Wake { id: execution.to_owned(), hand_back: pace == Pace::Slice };
        let command = self.engine.new_command_id();
        let woken = self.engine.execute_part(&wake, &command, Origin::Own).await?.output;
        if let Some(incarnation) = woken.deleting {
            let rows = DeleteRows::of(execution, incarnation);
            self.delete_rows(&rows, &command, Origin::Own, pace).await?;
            return Ok(Awoken::Deleted);
        }
        let Some(reached) = woken.reached.filter(|_| woken.was_due) else { return Ok(Awoken::NotDue) };
        if pace == Pace::Stop {
            self.drive(reached, &command, Origin::Own).await?;
        }
        Ok(Awoken::WentOn)
    }

    /// Deletes finished executions that are kept no longer.
    async fn retire(&self, now: Timestamp, limit: u32, pace: Pace, due: &mut Due) -> Result<(), Error> {
        let Some(retention) = self.engine.settings().retention else { return Ok(()) };
        self.delete_ended(now - retention, limit, pace, due).await
    }

    /// How many executions had ended at `before`.
    pub async fn count_finished(&self, before: Timestamp) -> Result<u64, Error> {
        self.engine.count_where(EXECUTIONS.name, finished(before).filter).await
    }

    /// Deletes up to `limit` executions that had ended at `before`.
    pub async fn delete_finished(&self, before: Timestamp, limit: u32, due: &mut Due) -> Result<(), Error> {
        self.delete_ended(before, limit, Pace::Stop, due).await
    }

    async fn delete_ended(&self, before: Timestamp, limit: u32, pace: Pace, due: &mut Due) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let page = self.engine.store().query(&finished(before).limit(PAGE).after(cursor)).await?;
            for row in page.rows {
                if due.deleted >= limit {
                    due.more = true;
                    return Ok(());
                }
                let delete = Delete { id: row.id.to_string(), ended_by: Some(before) };
                match self.remove(&delete, None, pace).await {
                    Ok(true) => due.deleted += 1,
                    Ok(false) => {}
                    // Somebody else was faster, or tried it again meanwhile.
                    Err(error) if matches!(error.code, Code::NotFound | Code::IllegalTransition) => {}
                    Err(error) => due.fail(&row.id, error),
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

/// Executions that had ended at `before`, the longest ended first.
pub(super) fn finished(before: Timestamp) -> Query {
    Query::of(&EXECUTIONS)
        .filter(Filter::Lte("completed".to_owned(), before.as_millis().into()))
        .filter(nobodys())
        .sort("completed", Ascending)
}

/// Nobody is deleting it; or who did so was of a program that did not say yet when somebody should look.
fn nobodys() -> Filter {
    let absent = |field: &str| Filter::Exists(field.to_owned(), false);
    Filter::Or(vec![absent("deleting"), absent("wakeAt")])
}

/// What came of waking one.
enum Awoken {
    WentOn,
    Deleted,
    NotDue,
}
