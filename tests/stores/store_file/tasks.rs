//! Many tasks, and cancelled callers.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use runstate::id::CommandId;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, Query};
use runstate::store::{Batch, Freshness, Outcome, Store, StoreAdmin};
use runstate::testing::{BatchExt as _, batch};
use runstate::time::Millis;
use serde_json::json;

use super::{FileStore, FileStoreOptions, block_on_tokio};

const NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title")])
    .indexes(&[Index::ordered(&[("title", Ascending)]).unique()]);

pub const CATALOG: fn() -> Catalog = || Catalog::new(&[&NOTES]).unwrap();

/// Maximum time of one wait on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Creates a batch that inserts one note; the command id equals the note's id.
pub fn insert(id: &str, title: &str) -> Batch {
    batch(CommandId::new(id).unwrap()).insert(&NOTES, id, json!({"title": title}))
}

#[test]
fn many_tasks_on_two_handles_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    block_on_tokio(async {
        let mut tasks = Vec::new();
        for handle in 0..2 {
            let store = Arc::new(FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap());
            store.migrate(&CATALOG()).await.unwrap();
            for task in 0..4 {
                let store = store.clone();
                tasks.push(tokio::spawn(async move {
                    for i in 0..20 {
                        let id = format!("{handle}-{task}-{i}");
                        store.commit(insert(&id, &id)).await.unwrap();
                        assert_eq!(
                            store
                                .get(&[Key::new(&NOTES, &id)], Freshness::Linearizable)
                                .await
                                .unwrap()
                                .iter()
                                .flatten()
                                .count(),
                            1
                        );
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let store = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        assert_eq!(store.read_only_reason(), None);
        assert_eq!(store.query(&Query::of(&NOTES), Freshness::Linearizable).await.unwrap().items.len(), 160);
    });
}

/// Polls a future at most `times` times, then drops it; `None` if it did not end.
async fn poll_times<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
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
fn dropped_commit_leaves_a_consistent_store() {
    let folder = tempfile::tempdir().unwrap();
    block_on_tokio(async {
        let store = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
        store.migrate(&CATALOG()).await.unwrap();
        let (mut commits, mut interrupted) = (0, 0);
        for round in 0.. {
            // Cancels before the first poll, then at each wait for system calls in turn, until a commit completes.
            for polls in 0.. {
                let id = format!("{round}-{polls}");
                let waited = poll_times(polls, store.commit(insert(&id, &id))).await;
                let command = CommandId::new(&id).unwrap();
                let has_ended = waited.is_some();
                match waited {
                    Some(receipt) => drop(receipt.unwrap()),
                    // The cancelled commit may still complete; the same id is the same command.
                    None => drop(store.commit(insert(&id, &id)).await.unwrap()),
                }
                assert!(matches!(store.outcome(&command).await.unwrap(), Outcome::Committed { .. }));
                commits += 1;
                if has_ended {
                    break;
                }
                interrupted += usize::from(polls > 0);
            }
            // On a busy machine a commit may complete at its first poll. Such a round cancels nothing.
            if interrupted >= 10 {
                break;
            }
            assert!(round < 1_000, "no commit waits for a system call");
        }
        let again = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
        again.migrate(&CATALOG()).await.unwrap();
        assert_eq!(again.read_only_reason(), None);
        assert_eq!(again.query(&Query::of(&NOTES), Freshness::Linearizable).await.unwrap().items.len(), commits);
    });
}

#[test]
fn a_waiter_receives_its_own_commits_and_those_of_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    block_on_tokio(async {
        let own = Arc::new(FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap());
        own.migrate(&CATALOG()).await.unwrap();
        let other = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
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
            // The first poll begins to read the folder, and the second one finds no commit; from then on it waits.
            let deadline = Instant::now() + TIMEOUT;
            while polls.load(Ordering::SeqCst) < 2 {
                assert!(Instant::now() < deadline, "it does not read the folder");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!waiting.is_finished());
            writer.commit(insert(&format!("w{n}"), &format!("w{n}"))).await.unwrap();
            let found = tokio::time::timeout(TIMEOUT, waiting).await.unwrap().unwrap().unwrap();
            assert_eq!(found.events.len(), 1);
        }
    });
}
