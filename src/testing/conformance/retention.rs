//! The expiry of documents.

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, LEASES};
use super::{Subject, Verdict, ensure_eq};
use crate::schema::Query;
use crate::time::Timestamp;

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
