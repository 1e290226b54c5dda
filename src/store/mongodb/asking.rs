//! Commands that read, as of one moment. Asking changes nothing, so where a server is lost it is asked again.

use mongodb::Cursor;
use mongodb::bson::{Document as Doc, RawDocumentBuf, doc};

use super::Mongo;
use super::again::Stop;

/// Documents of one batch where all of many are read.
pub(super) const BATCH: u32 = 1_000;

impl Mongo {
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
        command.insert("readConcern", self.clock.read_concern());
        // The server gives up too when nobody waits any more.
        command.insert("maxTimeMS", i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX).max(1));
        let cursor = self.client.database(database).run_cursor_command(command).batch_size(batch).await?;
        Ok(cursor.with_type())
    }
}
