//! What expires, and nothing else.

use serde_json::json;

use super::scene::{ITEMS, LEASES, Scene, Writing};
use super::{Subject, Verdict, ensure_eq};
use crate::schema::Query;
use crate::time::Timestamp;

pub(super) async fn a_sweep_takes_exactly_what_is_expired(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let batch = s.batch()?;
    let batch = batch.put(&LEASES, "old", json!({"at": 0})).put(&LEASES, "due", json!({"at": 5_000}));
    let batch = batch.put(&LEASES, "later", json!({"at": 5_001})).put(&LEASES, "never", json!({}));
    let batch = batch.put(&LEASES, "pinned", json!({"at": 0, "pinned": true})).put(&ITEMS, "other", json!({"at": 0}));
    s.commit(batch).await?;
    // A lease is over a second after `at`, that moment included.
    let now = Timestamp::from_millis(6_000);
    ensure_eq!(s.store.sweep(LEASES.name, now, 100).await?, 2);
    ensure_eq!(s.ids(&Query::of(&LEASES)).await?, ["later", "never", "pinned"]);
    ensure_eq!(s.store.sweep(LEASES.name, now, 100).await?, 0);
    ensure_eq!(s.store.sweep(ITEMS.name, now, 100).await?, 0);
    ensure_eq!(s.ids(&Query::of(&ITEMS)).await?, ["other"]);
    Ok(())
}

pub(super) async fn a_sweep_is_bounded(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
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

pub(super) async fn what_was_refreshed_stays(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
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
