//! Who must read is overtaken at every read by one who need not, a hundred times in a row.

use std::sync::Arc;
use std::sync::Mutex;

use runstate::domain::cvm::Status;
use runstate::engine::Cvm;
use runstate::id::CommandId;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, Changes, Error as StoreError, Outcome, Page, Position, Receipt, Store, Stored,
};
use runstate::time::Timestamp;
use runstate::value::Document;

use super::*;
use crate::world::program;

/// A store to which another process writes before every read, as long as it has something to say.
struct Restless {
    store: Arc<dyn Store>,
    other: Cvm,
    answers: Mutex<Vec<String>>,
}

impl Restless {
    async fn stir(&self) {
        let next = self.answers.lock().unwrap().pop();
        if let Some(answer) = next {
            self.other.answer("run", None, answer.into(), None, None).await.unwrap();
        }
    }
}

impl Store for Restless {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, StoreError>> {
        Box::pin(async move {
            self.stir().await;
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
fn who_is_overtaken_at_every_read_comes_to_its_turn() {
    const OTHERS: usize = 100;
    let source = r#"const all = []; for (let i = 0; i < 101; i++) { all.push(CC("q" + i)); } console.log(all.length, all[100]);"#;
    let world = World::of(&[program("program", source)]);
    let other = world.process();
    block_on(start(&other, "program", "run")).unwrap();
    let answers = Mutex::new((0..OTHERS).map(|n| n.to_string()).collect());
    let restless = world.process_over(Arc::new(Restless { store: world.disk.clone(), other, answers }));
    // It names no call, but reads which one is open before: that one is answered by the other, and that is told.
    let told = block_on(async {
        loop {
            match restless.answer("run", None, "mine".into(), None, None).await {
                Err(error) if error.code == Code::AlreadyAnswered => {}
                told => return told,
            }
        }
    });
    assert_eq!(told.unwrap().status, Status::Complete);
    assert_eq!(world.check().output("run"), ["101 mine"]);
}
