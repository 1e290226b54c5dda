//! Many tasks, and callers who stop waiting.

use std::sync::Arc;
use std::time::Duration;

use super::{FileStore, Options, on_tokio};
use runstate::id::CommandId;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, Query};
use runstate::store::{Batch, Expect, Op, Outcome, Store, Write};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;

const NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title")])
    .indexes(&[Index::by(&[("title", Ascending)]).unique()]);

pub const CATALOG: fn() -> Catalog = || Catalog::new(&[&NOTES]).unwrap();

/// A batch that inserts one note under a command of the same name.
pub fn insert(id: &str, title: &str) -> Batch {
    let document = Arc::new([("title".to_owned(), Json::from(title))].into_iter().collect());
    let op = Op::Put { version: 1, document };
    Batch {
        command: CommandId::new(id).unwrap(),
        fingerprint: String::new(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![Write { key: Key::new(&NOTES, id), expect: Expect::Absent, op }],
        checks: vec![],
    }
}

#[test]
fn many_tasks_on_two_handles_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    on_tokio(async {
        let mut tasks = Vec::new();
        for handle in 0..2 {
            let store = Arc::new(FileStore::open(folder.path(), Options::default()).await.unwrap());
            store.migrate(&CATALOG()).await.unwrap();
            for task in 0..4 {
                let store = store.clone();
                tasks.push(tokio::spawn(async move {
                    for i in 0..20 {
                        let id = format!("{handle}-{task}-{i}");
                        store.commit(insert(&id, &id)).await.unwrap();
                        assert_eq!(store.get(&[Key::new(&NOTES, &id)]).await.unwrap().iter().flatten().count(), 1);
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let store = FileStore::open(folder.path(), Options::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        assert_eq!(store.health(), None);
        assert_eq!(store.query(&Query::of(&NOTES)).await.unwrap().rows.len(), 160);
    });
}

#[test]
fn a_caller_who_stops_waiting_leaves_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    on_tokio(async {
        let store = FileStore::open(folder.path(), Options::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        for i in 0..100u64 {
            let id = format!("{i}");
            // Some stop before anything happened, some in the middle of the system calls, some too late.
            let waited = tokio::time::timeout(Duration::from_micros(i * 15), store.commit(insert(&id, &id))).await;
            let command = CommandId::new(&id).unwrap();
            match waited {
                Ok(receipt) => drop(receipt.unwrap()),
                // What was under way may still arrive; the same id again is the same command.
                Err(_) => drop(store.commit(insert(&id, &id)).await.unwrap()),
            }
            assert!(matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }));
        }
        let again = FileStore::open(folder.path(), Options::default()).await.unwrap();
        again.migrate(&CATALOG()).await.unwrap();
        assert_eq!(again.health(), None);
        assert_eq!(again.query(&Query::of(&NOTES)).await.unwrap().rows.len(), 100);
    });
}

#[test]
fn a_waiter_is_told_of_a_commit_at_once_and_of_another_process_soon() {
    let folder = tempfile::tempdir().unwrap();
    on_tokio(async {
        let own = Arc::new(FileStore::open(folder.path(), Options::default()).await.unwrap());
        own.migrate(&CATALOG()).await.unwrap();
        let other = FileStore::open(folder.path(), Options::default()).await.unwrap();
        other.migrate(&CATALOG()).await.unwrap();
        for (n, writer) in [&*own, &other].into_iter().enumerate() {
            let from = own.changes(None, 1, Millis(0)).await.unwrap().next;
            let waiter = own.clone();
            let waiting = tokio::spawn(async move { waiter.changes(Some(from), 10, Millis(20_000)).await });
            tokio::time::sleep(Duration::from_millis(30)).await;
            writer.commit(insert(&format!("w{n}"), &format!("w{n}"))).await.unwrap();
            let found = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
            assert_eq!(found.events.len(), 1);
        }
    });
}
