//! Opening, migration, closing, concurrency, and the expiry of documents.

use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Collection, Field, Index, Key, Query};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, LEASES, ROWS, batch, catalog, catalog_of, code};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::testing::{join_all, yield_now};
use crate::{COMMANDS, Freshness, Outcome, Store};

/// The first command id of a second fixture on one storage, above all ids of the first one.
const SECOND_COMMAND_BASE: u32 = 100_000;

const NEWER: Collection = Collection::new("conform.items", 2)
    .fields(&[Field::text("name").optional(), Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)]).unique()]);

pub(super) async fn migrating_again_changes_nothing(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    for _ in 0..2 {
        s.store.migrate(&catalog()?).await?;
    }
    ensure_eq!(s.revision(&ITEMS, "a").await?, first);
    ensure_eq!(s.ids(&Query::of(&ITEMS).eq("n", 1)).await?, ["a"]);
    Ok(())
}

pub(super) async fn a_newer_store_is_read_only(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"n": 1})).await?;
    let newer = catalog_of(&[&NEWER])?;
    s.store.migrate(&newer).await?;
    ensure_eq!(code(&s.store.migrate(&catalog()?).await), "newer_version");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 1}));
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", json!({}))).await), "read_only");
    s.store.migrate(&newer).await?;
    s.put(&ITEMS, "a", json!({"n": 2})).await?;
    Ok(())
}

pub(super) async fn a_new_index_covers_existing_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"n": 1})).await?;
    s.put(&ITEMS, "b", json!({"n": 1})).await?;
    let newer = catalog_of(&[&NEWER])?;
    ensure_eq!(code(&s.store.migrate(&newer).await), "unique_violation");
    // Nothing changed: the older declaration still holds.
    s.put(&ITEMS, "b", json!({"n": 2})).await?;
    s.store.migrate(&newer).await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "c", json!({"n": 2}))).await), "unique_violation");
    ensure_eq!(s.ids(&Query::of(&ITEMS).eq("n", 2)).await?, ["b"]);
    Ok(())
}

pub(super) async fn collections_with_documents_are_listed(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    ensure_eq!(s.store.collections().await?, Vec::<String>::new());
    s.put(&ITEMS, "a", json!({})).await?;
    s.commit(s.batch()?.insert(&ROWS, "a", json!({"line": "1"}))).await?;
    s.put(&LEASES, "a", json!({})).await?;
    s.commit(s.batch()?.delete(&LEASES, "a")).await?;
    let expected = [ITEMS.name, ROWS.name, COMMANDS.name];
    ensure_eq!(s.store.collections().await?, expected);
    s.store.migrate(&catalog_of(&[&LEASES])?).await?;
    ensure_eq!(s.store.collections().await?, expected);
    s.store.close().await?;
    if let Some(reopened) = subject.reopen().await? {
        reopened.migrate(&catalog_of(&[&LEASES])?).await?;
        ensure_eq!(reopened.collections().await?, expected);
    }
    Ok(())
}

pub(super) async fn a_closed_store_refuses_every_call(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({})).await?;
    s.store.close().await?;
    s.store.close().await?;
    let store: &dyn Store = &*s.store;
    let count = runstate_core::schema::Aggregate {
        collection: ITEMS.name.to_owned(),
        filter: runstate_core::schema::Filter::All,
        group_by: vec![],
        accumulators: vec![],
    };
    let codes = [
        code(&store.migrate(&catalog()?).await),
        code(&store.get(&[Key::new(&ITEMS, "a")], Freshness::Linearizable).await),
        code(&store.query(&Query::of(&ITEMS), Freshness::Linearizable).await),
        code(&store.aggregate(&count).await),
        code(&store.commit(s.batch()?).await),
        code(&store.outcome(&s.batch()?.command).await),
        code(&store.changes(None, 1, Millis(0)).await),
        code(&store.sweep(ITEMS.name, Timestamp::from_millis(0), 1).await),
        code(&store.collections().await),
    ];
    ensure_eq!(codes, ["closed"; 9]);
    Ok(())
}

pub(super) async fn acknowledged_writes_survive_reopening(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let value = json!({"any": {"a.b": [1, "\u{0}", {"$x": null}]}, "n": 1});
    s.commit(batch("c")?.insert(&ITEMS, "a", value).insert(&ROWS, "r", json!({"line": "1"}))).await?;
    let (read, after) = (s.expect_document(&ITEMS, "a").await?, json!({"any": {"a.b": [1, 2, {"$x": 1}]}, "n": 1}));
    s.commit(s.batch()?.change(&ITEMS, "a", &read, after).delete(&ROWS, "r").put(&ITEMS, "b", json!({}))).await?;
    let keys = [Key::new(&ITEMS, "a"), Key::new(&ITEMS, "b"), Key::new(&ROWS, "r")];
    let before = s.store.get(&keys, Freshness::Linearizable).await?;
    s.store.close().await?;
    let Some(reopened) = subject.reopen().await? else {
        ensure!(!s.store.capabilities().durable, "a durable store needs a reopener");
        return Ok(());
    };
    let s = ConformanceFixture::on_store(reopened, SECOND_COMMAND_BASE).await?;
    ensure_eq!(s.store.get(&keys, Freshness::Linearizable).await?, before);
    ensure_eq!(s.ids(&Query::of(&ITEMS).eq("n", 1)).await?, ["a"]);
    ensure_eq!(s.commit(batch("c")?).await?.replayed, true);
    ensure!(s.store.outcome(&batch("c")?.command).await? != Outcome::Absent, "the ledger was lost");
    let stale = before.into_iter().next().flatten().map(|stored| stored.revision);
    let Some(revision) = stale else { return Err(CaseFailure::new("a written document does not exist")) };
    s.commit(s.batch()?.replace(&ITEMS, "a", &revision, json!({"n": 3}))).await?;
    Ok(())
}

pub(super) async fn two_stores_on_one_storage_agree(subject: &Subject) -> Verdict {
    let one = ConformanceFixture::new(subject).await?;
    if !one.store.capabilities().shared {
        return Ok(());
    }
    let Some(reopened) = subject.reopen().await? else {
        return Err(CaseFailure::new("a shared store needs a reopener"));
    };
    let two = ConformanceFixture::on_store(reopened, SECOND_COMMAND_BASE).await?;
    let revision = one.put(&ITEMS, "a", json!({"n": 1})).await?;
    ensure_eq!(two.revision(&ITEMS, "a").await?, revision);
    two.commit(two.batch()?.replace(&ITEMS, "a", &revision, json!({"n": 2}))).await?;
    let stale = one.commit(one.batch()?.replace(&ITEMS, "a", &revision, json!({"n": 3}))).await;
    ensure_eq!(code(&stale), "conflict");
    ensure_eq!(one.document(&ITEMS, "a").await?, json!({"n": 2}));
    two.commit(batch("c")?.put(&ITEMS, "b", json!({}))).await?;
    ensure_eq!(one.commit(batch("c")?.put(&ITEMS, "b", json!({}))).await?.replayed, true);
    ensure_eq!(one.ids(&Query::of(&ITEMS)).await?, ["a", "b"]);
    let stores = [&one, &two];
    join_all(stores.map(|s| increment(s, 20)).into_iter().collect()).await.into_iter().collect::<Verdict>()?;
    ensure_eq!(one.document(&ITEMS, "counter").await?, json!({"n": 40}));
    one.store.close().await?;
    two.put(&ITEMS, "c", json!({})).await?;
    Ok(())
}

pub(super) async fn concurrent_increments_are_not_lost(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let counters = (0..8).map(|_| increment(&s, 8)).collect();
    join_all(counters).await.into_iter().collect::<Verdict>()?;
    ensure_eq!(s.document(&ITEMS, "counter").await?, json!({"n": 64}));
    ensure_eq!(s.revision(&ITEMS, "counter").await?.writes(), 64);
    Ok(())
}

/// Adds one to the counter `times` times: reads it, adds one, and writes it under the revision that was read.
fn increment(s: &ConformanceFixture, times: u32) -> runstate_core::marker::BoxFuture<'_, Verdict> {
    Box::pin(async move {
        for _ in 0..times {
            let mut conflicts = 0;
            loop {
                let found = s.find(&ITEMS, "counter").await?;
                // Others may write between the read and the write.
                yield_now().await;
                let n = found.as_ref().and_then(|stored| stored.document["n"].as_i64()).unwrap_or(0);
                let next: Json = json!({"n": n + 1});
                let batch = match found {
                    Some(stored) => s.batch()?.replace(&ITEMS, "counter", &stored.revision, next),
                    None => s.batch()?.insert(&ITEMS, "counter", next),
                };
                match code(&s.commit(batch).await) {
                    "ok" => break,
                    "conflict" if conflicts < 1_000 => conflicts += 1,
                    other => {
                        return Err(CaseFailure::new(format!(
                            "an increment failed with {other} after {conflicts} conflicts"
                        )));
                    }
                }
            }
        }
        Ok(())
    })
}

pub(super) async fn a_sweep_deletes_exactly_the_expired_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let batch = s.batch()?;
    let batch = batch.put(&LEASES, "old", json!({"at": 0})).put(&LEASES, "due", json!({"at": 5_000}));
    let batch = batch.put(&LEASES, "later", json!({"at": 5_001})).put(&LEASES, "never", json!({}));
    let batch = batch.put(&LEASES, "pinned", json!({"at": 0, "pinned": true})).put(&ITEMS, "other", json!({"at": 0}));
    s.commit(batch).await?;
    // A lease expires one second after `at`, inclusive.
    let now = Timestamp::from_millis(6_000);
    ensure_eq!(s.store.sweep(LEASES.name, now, 100).await?, 2);
    ensure_eq!(s.ids(&Query::of(&LEASES)).await?, ["later", "never", "pinned"]);
    ensure_eq!(s.store.sweep(LEASES.name, now, 100).await?, 0);
    ensure_eq!(s.store.sweep(ITEMS.name, now, 100).await?, 0);
    ensure_eq!(s.ids(&Query::of(&ITEMS)).await?, ["other"]);
    Ok(())
}

pub(super) async fn a_sweep_deletes_at_most_its_limit(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let batch = (0..7).fold(s.batch()?, |batch, i| batch.put(&LEASES, &format!("{i}"), json!({"at": i})));
    s.commit(batch).await?;
    let now = Timestamp::from_millis(10_000);
    ensure_eq!(s.store.sweep(LEASES.name, now, 0).await?, 0);
    ensure_eq!(s.store.sweep(LEASES.name, now, 3).await?, 3);
    ensure_eq!(s.ids(&Query::of(&LEASES)).await?.len(), 4);
    ensure_eq!(s.store.sweep(LEASES.name, now, 3).await?, 3);
    ensure_eq!(s.store.sweep(LEASES.name, now, 3).await?, 1);
    Ok(())
}

pub(super) async fn a_refreshed_deadline_prevents_expiry(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&LEASES, "a", json!({"at": 0})).await?;
    s.put(&LEASES, "b", json!({"at": 0})).await?;
    s.put(&LEASES, "a", json!({"at": 9_000})).await?;
    s.put(&LEASES, "b", json!({"at": 0, "pinned": false})).await?;
    ensure_eq!(s.store.sweep(LEASES.name, Timestamp::from_millis(5_000), 100).await?, 0);
    s.put(&LEASES, "b", json!({"at": 0})).await?;
    ensure_eq!(s.store.sweep(LEASES.name, Timestamp::from_millis(5_000), 100).await?, 1);
    ensure_eq!(s.ids(&Query::of(&LEASES)).await?, ["a"]);
    Ok(())
}
