//! Which executions there are.

use super::super::{Cvm, Summary};
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::Error;
use crate::schema::Direction::Descending;
use crate::schema::{Filter, Query};

/// What has not come to its end.
const ACTIVE: [Status; 3] = [Status::Running, Status::WaitingCc, Status::Paused];

impl Cvm {
    /// Executions that have not come to their end, newest first: running, waiting for an answer, paused. At most `limit`.
    ///
    /// Reads what is active and nothing that has ended, however much that is.
    pub async fn active(&self, limit: u32) -> Result<Vec<Summary>, Error> {
        self.summaries(&active(limit)).await
    }

    /// Executions of a program, newest first, at most `limit`. An execution that is being deleted is not among them.
    pub async fn history(&self, program: &str, limit: u32) -> Result<Vec<Summary>, Error> {
        self.summaries(&history(program, limit)).await
    }

    async fn summaries(&self, query: &Query) -> Result<Vec<Summary>, Error> {
        let page = self.engine.store().query(query).await?;
        Ok(page.rows.iter().map(|row| Summary::of(&row.id, &row.stored.document)).collect())
    }
}

pub(super) fn active(limit: u32) -> Query {
    let statuses = ACTIVE.iter().map(|status| status.as_str().into()).collect();
    Query::of(&EXECUTIONS)
        .filter(Filter::In("state.status".to_owned(), statuses))
        .sort("started", Descending)
        .limit(limit)
}

pub(super) fn history(program: &str, limit: u32) -> Query {
    Query::of(&EXECUTIONS).eq("programName", program).filter(still_there()).sort("started", Descending).limit(limit)
}

/// Holds for executions that are not being deleted.
pub(super) fn still_there() -> Filter {
    Filter::Ne("deleting".to_owned(), true.into())
}
