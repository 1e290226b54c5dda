//! Many tasks, and callers who stop waiting.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

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

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// Polls a future at most so many times, then drops it. `None`: it had not ended.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut polls) = (pin!(future), 0);
    poll_fn(|cx| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn a_caller_who_stops_waiting_leaves_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    on_tokio(async {
        let store = FileStore::open(folder.path(), Options::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        let (mut commits, mut interrupted) = (0, 0);
        for round in 0.. {
            // Stops before anything happened, then at each wait for system calls in turn, until one comes to its end.
            for polls in 0.. {
                let id = format!("{round}-{polls}");
                let waited = polled(polls, store.commit(insert(&id, &id))).await;
                let command = CommandId::new(&id).unwrap();
                let has_ended = waited.is_some();
                match waited {
                    Some(receipt) => drop(receipt.unwrap()),
                    // What was under way may still arrive; the same id again is the same command.
                    None => drop(store.commit(insert(&id, &id)).await.unwrap()),
                }
                assert!(matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }));
                commits += 1;
                if has_ended {
                    break;
                }
                interrupted += usize::from(polls > 0);
            }
            // On a busy machine a commit may be over at the first poll. Such a round interrupts nothing.
            if interrupted >= 10 {
                break;
            }
            assert!(round < 1_000, "no commit waits for a system call");
        }
        let again = FileStore::open(folder.path(), Options::default()).await.unwrap();
        again.migrate(&CATALOG()).await.unwrap();
        assert_eq!(again.health(), None);
        assert_eq!(again.query(&Query::of(&NOTES)).await.unwrap().rows.len(), commits);
    });
}

#[test]
fn a_waiter_receives_its_own_commits_and_those_of_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    on_tokio(async {
        let own = Arc::new(FileStore::open(folder.path(), Options::default()).await.unwrap());
        own.migrate(&CATALOG()).await.unwrap();
        let other = FileStore::open(folder.path(), Options::default()).await.unwrap();
        other.migrate(&CATALOG()).await.unwrap();
        for (n, writer) in [&*own, &other].into_iter().enumerate() {
            let from = own.changes(None, 1, Millis(0)).await.unwrap().next;
            let (waiter, polls) = (own.clone(), Arc::new(AtomicUsize::new(0)));
            let counted = polls.clone();
            let mut waiting = Box::pin(async move { waiter.changes(Some(from), 10, Millis::minutes(60)).await });
            let waiting = tokio::spawn(poll_fn(move |cx| {
                let polled = waiting.as_mut().poll(cx);
                counted.fetch_add(1, Ordering::SeqCst);
                polled
            }));
            // The first poll begins to look at the folder, the second one finds nothing there: from then on it waits.
            let deadline = Instant::now() + PATIENCE;
            while polls.load(Ordering::SeqCst) < 2 {
                assert!(Instant::now() < deadline, "it does not look");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!waiting.is_finished());
            writer.commit(insert(&format!("w{n}"), &format!("w{n}"))).await.unwrap();
            let found = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
            assert_eq!(found.events.len(), 1);
        }
    });
}
