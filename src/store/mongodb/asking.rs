//! Asking the server, again where it may answer another time: a primary that steps down, a snapshot that is gone. Asking changes nothing.

use std::time::Duration;

use mongodb::Cursor;
use mongodb::bson::{Document as Doc, RawDocumentBuf, doc};
use mongodb::error::{Error as Fault, ErrorKind};
use tokio::time::{Instant, sleep};

use super::{Mongo, faults};
use crate::store::Error;

/// The first pause before asking again; each further one is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(640);

/// Documents of one batch where all of many are read.
pub(super) const BATCH: u32 = 1_000;

/// Why asking ended.
pub(super) enum Stop {
    /// The driver or the server failed.
    Fault(Fault),
    /// What was asked is wrong, or what was found.
    Error(Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<mongodb::bson::error::Error> for Stop {
    fn from(broken: mongodb::bson::error::Error) -> Self {
        Stop::Fault(broken.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl Mongo {
    /// Asks until there is an answer, for as long as one call may take.
    pub(super) async fn asking<T, F>(&self, doing: &str, ask: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Stop>>,
    {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Fault(fault)) if passes(&fault) && begun.elapsed() + pause < self.patience => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(Stop::Fault(fault)) => return Err(self.error(&fault, doing)),
            }
        }
    }

    /// Documents of a collection as of one moment. `more` completes the command: its filter, its order.
    pub(super) async fn find(&self, collection: &str, more: Doc, batch: u32) -> Result<Cursor<RawDocumentBuf>, Stop> {
        let place = self.layout.place(collection);
        let mut command = doc! {"find": place.collection, "batchSize": batch, "allowDiskUse": true};
        command.extend(more);
        self.cursor(&place.database, command, batch).await
    }

    /// What comes out of a pipeline over a collection as of one moment.
    pub(super) async fn pipeline(&self, collection: &str, pipeline: Vec<Doc>) -> Result<Cursor<RawDocumentBuf>, Stop> {
        let place = self.layout.place(collection);
        let batch = BATCH;
        let command = doc! {
            "aggregate": place.collection, "pipeline": pipeline, "cursor": {"batchSize": batch}, "allowDiskUse": true,
        };
        self.cursor(&place.database, command, batch).await
    }

    async fn cursor(&self, database: &str, mut command: Doc, batch: u32) -> Result<Cursor<RawDocumentBuf>, Stop> {
        command.insert("readConcern", doc! {"level": "snapshot"});
        // The server gives up too when nobody waits any more.
        command.insert("maxTimeMS", i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX).max(1));
        let cursor = self.client.database(database).run_cursor_command(command).batch_size(batch).await?;
        Ok(cursor.with_type())
    }
}

/// The same question may be answered another time.
fn passes(fault: &Fault) -> bool {
    // A majority snapshot that is not there yet, or no longer, or older than an index; a cursor or plan that ended with its server.
    const AGAIN: [i32; 7] = [134, 239, 246, 43, 175, 237, 11_602];
    // Looking for a server has waited already.
    let waited = matches!(&*fault.kind, ErrorKind::ServerSelection { .. });
    !waited && (faults::lost(fault) || faults::number(fault).is_some_and(|number| AGAIN.contains(&number)))
}
