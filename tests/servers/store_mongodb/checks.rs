//! Checks: a commit that only read a document writes nothing if the document has changed since.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Field, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Check, Expectation, Freshness, Receipt, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};
use serde_json::json;
use tokio::task::JoinSet;

use crate::settings::is_full_run;
use crate::support::mongodb::{fresh_url, run_on_server};

const LEADS: Collection = Collection::new("checks.leads", 1).fields(&[Field::int("n")]);
const ROWS: Collection = Collection::new("checks.rows", 1).insert_only();

async fn open(url: &str) -> Mongo {
    let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(&[&LEADS, &ROWS]).unwrap()).await.unwrap();
    store
}

fn document(value: Json) -> Arc<Document> {
    Arc::new(value.as_object().unwrap().clone())
}

async fn commit(store: &Mongo, command: &str, writes: Vec<Write>, checks: Vec<Check>) -> Result<Receipt, StoreError> {
    let (command, at) = (CommandId::new(command).unwrap(), Timestamp::from_millis(0));
    store
        .commit(Batch { command, fingerprint: "f".into(), at, result: Json::Null, writes, checks, frees_space: false })
        .await
}

fn put(collection: &Collection, id: &str, expect: Expectation, value: Json) -> Write {
    Write { key: Key::new(collection, id), expect, op: WriteOp::Put { version: 1, document: document(value) } }
}

fn row(id: &str) -> Write {
    put(&ROWS, id, Expectation::Absent, json!({}))
}

fn lead() -> Key {
    Key::new(&LEADS, "lead")
}

async fn revision(store: &Mongo) -> Revision {
    store.get(&[lead()], Freshness::Linearizable).await.unwrap().remove(0).unwrap().revision
}

#[test]
fn check_passes_only_at_the_current_revision() {
    run_on_server(async {
        let url = fresh_url();
        let (one, other) = (open(&url).await, open(&url).await);
        commit(&one, "make", vec![put(&LEADS, "lead", Expectation::Absent, json!({"n": 0}))], vec![]).await.unwrap();
        let mut checks = 0;
        let mut check = async |store: &Mongo, revision: &Revision| {
            checks += 1;
            let check = Check { key: lead(), revision: revision.clone() };
            commit(store, &format!("check-{checks}"), vec![row(&format!("row-{checks}"))], vec![check]).await
        };
        let conflict =
            |result: Result<Receipt, StoreError>| matches!(result, Err(StoreError::Conflict { key }) if key == lead());
        let mut old = revision(&one).await;
        for round in 0..3 {
            for _ in 0..3 {
                check(&one, &old).await.unwrap();
                check(&other, &old).await.unwrap();
            }
            let store = if round % 2 == 0 { &other } else { &one };
            let writes = vec![put(&LEADS, "lead", Expectation::Revision(old.clone()), json!({"n": round}))];
            commit(store, &format!("change-{round}"), writes, vec![]).await.unwrap();
            for _ in 0..5 {
                assert!(conflict(check(&one, &old).await) && conflict(check(&other, &old).await));
            }
            old = old.next();
        }
        check(&one, &old).await.unwrap();
        let deletion = Write { key: lead(), expect: Expectation::Any, op: WriteOp::Delete };
        commit(&other, "delete", vec![deletion], vec![]).await.unwrap();
        assert!(conflict(check(&one, &old).await));
        commit(&other, "again", vec![put(&LEADS, "lead", Expectation::Absent, json!({"n": 0}))], vec![]).await.unwrap();
        assert!(conflict(check(&one, &old).await) && conflict(check(&other, &old).await));
        check(&other, &revision(&one).await).await.unwrap();
    });
}

/// Two tasks in each of two processes insert rows that check the document at its known revision, while it is changed.
#[test]
fn no_check_passes_after_a_change() {
    run_on_server(async {
        let (changes, checks): (u64, u64) = if is_full_run() { (12, 20) } else { (5, 10) };
        let url = fresh_url();
        let (one, other) = (Arc::new(open(&url).await), Arc::new(open(&url).await));
        let start = one.changes(None, 1, Millis(0)).await.unwrap().next;
        commit(&one, "make", vec![put(&LEADS, "lead", Expectation::Absent, json!({"n": 0}))], vec![]).await.unwrap();
        let (ended, inserted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for (task, store) in (0..4).zip([&one, &other].into_iter().cycle().cloned()) {
            let (ended, inserted) = (ended.clone(), inserted.clone());
            tasks.spawn(async move {
                let mut current = revision(&store).await;
                for n in 0.. {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{}-{task}-{n}", current.writes());
                    let check = Check { key: lead(), revision: current.clone() };
                    match commit(&store, &id, vec![row(&id)], vec![check]).await {
                        Ok(_) => drop(inserted.fetch_add(1, Ordering::Relaxed)),
                        Err(StoreError::Conflict { .. }) => current = revision(&store).await,
                        Err(error) => panic!("{id}: {error}"),
                    }
                }
            });
        }
        let changer = open(&url).await;
        for n in 1..=changes {
            // Makes sure that there are checks between two changes.
            let target = inserted.load(Ordering::Relaxed) + checks;
            while inserted.load(Ordering::Relaxed) < target {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            loop {
                let writes =
                    vec![put(&LEADS, "lead", Expectation::Revision(revision(&changer).await), json!({"n": n}))];
                match commit(&changer, &format!("change-{n}"), writes, vec![]).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("change {n}: {error}"),
                }
            }
        }
        ended.store(true, Ordering::Relaxed);
        tasks.join_all().await;

        // In the order of commits, each row checked the document at its current revision.
        let (mut from, mut writes, mut rows) = (start, 0, BTreeMap::<u64, u64>::new());
        loop {
            let page = one.changes(Some(from), 1_000, Millis(0)).await.unwrap();
            if page.events.is_empty() {
                break;
            }
            for event in page.events {
                if event.key.collection == LEADS.name {
                    writes = event.revision.unwrap().writes();
                } else {
                    let checked: u64 = event.key.id.split('-').next().unwrap().parse().unwrap();
                    assert_eq!(checked, writes, "{} checked an outdated revision", event.key);
                    *rows.entry(writes).or_default() += 1;
                }
            }
            from = page.next;
        }
        assert_eq!(writes, changes + 1);
        assert_eq!(rows.values().sum::<u64>(), inserted.load(Ordering::Relaxed));
        assert_eq!(rows.len() as u64, changes + u64::from(rows.contains_key(&(changes + 1))), "{rows:?}");
    });
}
