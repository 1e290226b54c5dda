//! One transaction on the server, and its position in the change feed.

use std::time::Duration;

use mongodb::bson::raw::cstr;
use mongodb::bson::{Document as BsonDocument, RawDocumentBuf, Timestamp};
use mongodb::error::Error as DriverError;
use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::Mongo;

/// The server's time limit exceeds that of this process by this.
const SERVER_TIMEOUT_GRACE: Duration = Duration::from_millis(500);

/// A transaction: its commands take effect together or not at all.
pub(super) struct MongoTransaction {
    session: ClientSession,
    /// The cluster time of the first reply, before any effect of the transaction is visible.
    start_time: Option<Timestamp>,
    /// No caller waits for the transaction after this time.
    deadline: Instant,
}

/// Begins a transaction. Nothing is sent yet.
pub(super) async fn begin(mongo: &Mongo, deadline: Instant) -> Result<MongoTransaction, DriverError> {
    let mut session = mongo.client.start_session().causal_consistency(false).await?;
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(WriteConcern::majority())
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .await?;
    Ok(MongoTransaction { session, start_time: None, deadline })
}

impl MongoTransaction {
    /// Runs a command in the transaction.
    pub(super) async fn run(
        &mut self,
        database: &Database,
        mut command: RawDocumentBuf,
    ) -> Result<BsonDocument, DriverError> {
        // The server gives up soon after this process. Otherwise the transaction would continue to block the documents
        // that it wrote.
        let time_left = self.deadline.saturating_duration_since(Instant::now()) + SERVER_TIMEOUT_GRACE;
        command.append(cstr!("maxTimeMS"), i64::try_from(time_left.as_millis()).unwrap_or(i64::MAX));
        let reply = database.run_raw_command(command).session(&mut self.session).await?;
        if self.start_time.is_none() {
            self.start_time = operation_time(&reply);
        }
        Ok(reply)
    }

    /// Commits. Returns a time at which the majority has the transaction. May be called again if the answer was lost.
    pub(super) async fn commit(&mut self) -> Result<Option<Timestamp>, DriverError> {
        self.session.commit_transaction().await?;
        Ok(self.session.operation_time())
    }

    /// Aborts. If the server does not receive this, it aborts the transaction at the end of its lifetime.
    pub(super) async fn abort(mut self) {
        drop(self.session.abort_transaction().await);
    }

    /// A cluster time before every effect of the transaction.
    pub(super) fn start_time(&self) -> Option<Timestamp> {
        self.start_time
    }
}

/// The cluster time of a reply.
pub(super) fn operation_time(reply: &BsonDocument) -> Option<Timestamp> {
    reply.get_timestamp("operationTime").ok()
}
