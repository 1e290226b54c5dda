//! One transaction on the server, and where it stands in the feed.

use mongodb::bson::{Document as Bson, RawDocumentBuf, Timestamp};
use mongodb::error::Error as Fault;
use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{ClientSession, Database};

use super::Mongo;

/// Commands that happen together or not at all.
pub(super) struct Transaction {
    session: ClientSession,
    /// The server's time at the first reply, before anything of it can be seen.
    begun: Option<Timestamp>,
}

impl Mongo {
    /// Begins one; nothing is sent yet.
    pub(super) async fn begin(&self) -> Result<Transaction, Fault> {
        let mut session = self.client.start_session().causal_consistency(false).await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .await?;
        Ok(Transaction { session, begun: None })
    }
}

impl Transaction {
    /// Runs a command in it.
    pub(super) async fn run(&mut self, database: &Database, command: RawDocumentBuf) -> Result<Bson, Fault> {
        let reply = database.run_raw_command(command).session(&mut self.session).await?;
        if self.begun.is_none() {
            self.begun = operation_time(&reply);
        }
        Ok(reply)
    }

    /// Ends it so that all of it holds. May be called again where the answer was lost.
    pub(super) async fn commit(&mut self) -> Result<(), Fault> {
        self.session.commit_transaction().await
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
