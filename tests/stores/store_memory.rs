//! The store in memory under the conformance suite.

use runstate::store::{Freshness, Memory, StoreAdmin};
use runstate::testing::conformance::Subject;

async fn fresh() -> Subject {
    Subject::new(Memory::new())
}

runstate::conformance!(fresh);

/// A read-modify-write retried on conflicts loses no update on four threads.
#[test]
fn concurrent_counts_on_four_threads_lose_no_update() {
    use runstate::id::CommandId;
    use runstate::schema::{Catalog, Collection, Field, Key};
    use runstate::store::{Store, StoreError};
    use runstate::testing::{BatchExt as _, batch, block_on};
    use serde_json::json;

    const C: Collection = Collection::new("t.c", 1).fields(&[Field::int("n")]);
    let store = Memory::new();
    block_on(store.migrate(&Catalog::new(&[&C]).unwrap())).unwrap();
    let count = |thread: usize| {
        for i in 0..500 {
            for attempt in 0.. {
                let found = block_on(store.get(&[Key::new(&C, "a")], Freshness::Linearizable)).unwrap().remove(0);
                let n = found.as_ref().map_or(0, |stored| stored.document["n"].as_i64().unwrap());
                let (batch, document) =
                    (batch(CommandId::new(&format!("{thread}-{i}-{attempt}")).unwrap()), json!({"n": n + 1}));
                let batch = match found {
                    Some(stored) => batch.replace(&C, "a", &stored.revision, document),
                    None => batch.insert(&C, "a", document),
                };
                match block_on(store.commit(batch)) {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    let count = &count;
    std::thread::scope(|threads| (0..4).for_each(|thread| drop(threads.spawn(move || count(thread)))));
    let found = block_on(store.get(&[Key::new(&C, "a")], Freshness::Linearizable)).unwrap().remove(0).unwrap();
    assert_eq!(found.document["n"], 2_000);
}
