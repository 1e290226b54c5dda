//! One transaction on the server, and where it stands in the feed.

use std::time::Duration;

use mongodb::bson::raw::cstr;
use mongodb::bson::{Document as Bson, RawDocumentBuf, Timestamp};
use mongodb::error::Error as Fault;
use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{ClientSession, Database};
use tokio::time::Instant;

use super::Mongo;

/// How much later than we the server gives up.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Commands that happen together or not at all.
pub(super) struct Transaction {
    session: ClientSession,
    /// The server's time at the first reply, before anything of it can be seen.
    begun: Option<Timestamp>,
    /// From here on nobody waits for it.
    deadline: Instant,
}

impl Mongo {
    /// Begins one; nothing is sent yet.
    pub(super) async fn begin(&self, deadline: Instant) -> Result<Transaction, Fault> {
        let mut session = self.client.start_session().causal_consistency(false).await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .await?;
        Ok(Transaction { session, begun: None, deadline })
    }
}

impl Transaction {
    /// Runs a command in it.
    pub(super) async fn run(&mut self, database: &Database, mut command: RawDocumentBuf) -> Result<Bson, Fault> {
        // What is given up here is given up by the server soon after, which else would keep what it wrote from all others.
        let left = self.deadline.saturating_duration_since(Instant::now()) + AFTERWARDS;
        command.append(cstr!("maxTimeMS"), i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        let reply = database.run_raw_command(command).session(&mut self.session).await?;
        if self.begun.is_none() {
            self.begun = operation_time(&reply);
        }
        Ok(reply)
    }

    /// Ends it so that all of it holds; tells a time by which the majority has it. May be called again where the answer was lost.
    pub(super) async fn commit(&mut self) -> Result<Option<Timestamp>, Fault> {
        self.session.commit_transaction().await?;
        Ok(self.session.operation_time())
    }

    /// Ends it so that nothing of it holds. The server does the same by itself where it does not hear of it.
    pub(super) async fn abort(mut self) {
        drop(self.session.abort_transaction().await);
    }

    /// A time of the server before all that it does.
    pub(super) fn begun(&self) -> Option<Timestamp> {
        self.begun
    }
}

/// The server's time in a reply.
pub(super) fn operation_time(reply: &Bson) -> Option<Timestamp> {
    reply.get_timestamp("operationTime").ok()
}
