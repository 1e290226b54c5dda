//! A process that must read is overtaken at every read by one that need not, a hundred times in a row.

use std::sync::{Arc, Mutex};

use runstate::domain::cvm::{RunSlice, Start, Status};
use runstate::engine::Cvm;
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, Changes, Memory, Outcome, Page, Position, Receipt, Store, StoreError, StoredDocument,
};
use runstate::time::Timestamp;
use runstate::value::Document;

use super::*;
use crate::cluster::program;

/// A store in which another process runs the execution for one slice before every read, `remaining` times.
struct OutrunningStore {
    store: Arc<dyn Store>,
    other: Cvm,
    remaining: Mutex<u32>,
}

impl OutrunningStore {
    async fn run_other_slice(&self) {
        let is_overtaken = {
            let mut left = self.remaining.lock().unwrap();
            let is_overtaken = *left > 0;
            *left = left.saturating_sub(1);
            is_overtaken
        };
        if is_overtaken {
            self.other.engine().execute(&RunSlice { id: "run".to_owned() }).await.unwrap();
        }
    }
}

impl Store for OutrunningStore {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            self.run_other_slice().await;
            self.store.get(keys).await
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.store.query(query)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        self.store.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        self.store.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        self.store.outcome(command)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.store.changes(from, limit, wait)
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.store.sweep(collection, now, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}

#[test]
fn reader_whose_every_read_is_outrun_still_finishes() {
    const TIMES: u32 = 100;
    let source = r#"const all = []; for (let i = 0; i < 4000; i++) { all.push({ i }); } console.log(all.length);"#;
    let settings = Settings { slice_instructions: 300, ..Settings::default() };
    let world = SimCluster::with_store(Arc::new(Memory::new()), &[program("program", source)], settings);
    let other = world.process();
    let begun = block_on(other.engine().execute(&Start::new("program").id("run"))).unwrap();
    assert_eq!(begun.status, Status::Running);
    let left = Mutex::new(TIMES);
    let restless = Arc::new(OutrunningStore { store: world.disk.clone(), other, remaining: left });
    let reached = block_on(world.process_over(restless.clone()).resume("run", None)).unwrap();
    assert_eq!((reached.status, *restless.remaining.lock().unwrap()), (Status::Complete, 0));
    assert_eq!(world.check().output("run"), ["4000"]);
}
