//! The largest document and the largest batch.

use std::sync::Arc;

use serde_json::json;

use super::scene::{ITEMS, Scene, Writing, code, object};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::store::{Expect, Op};
use crate::value::json_bytes;

pub(super) async fn documents_are_bounded(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let limit = s.store.capabilities().document_bytes;
    let around = json_bytes(&json!({"any": ""}));
    let of = |bytes: usize| json!({"any": "x".repeat(bytes - around)});
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", of(limit + 1))).await), "too_large");
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", of(limit))).await), "ok");
    let found = s.find(&ITEMS, "a").await?.map_or(0, |stored| json_bytes(&*stored.document));
    ensure_eq!(found, limit);
    Ok(())
}

pub(super) async fn batches_are_bounded_in_writes(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let limit = s.store.capabilities().batch_writes;
    ensure!(limit >= 100, "a batch must take 100 writes at least");
    // A store without a bound of its own needs no trial of it.
    if limit > 20_000 {
        return Ok(());
    }
    let batch = (0..limit).fold(s.batch()?, |batch, i| batch.insert(&ITEMS, &i.to_string(), json!({})));
    ensure_eq!(code(&s.commit(batch.clone().put(&ITEMS, "more", json!({}))).await), "too_large");
    ensure_eq!(code(&s.commit(batch).await), "ok");
    Ok(())
}

pub(super) async fn batches_are_bounded_in_bytes(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let capabilities = s.store.capabilities();
    ensure!(capabilities.batch_bytes >= capabilities.document_bytes, "a batch must take one largest document");
    if capabilities.batch_bytes > 16 * capabilities.document_bytes {
        return Ok(());
    }
    let large = Arc::new(object(json!({"any": "x".repeat(capabilities.document_bytes - 100)})));
    let mut batch = s.batch()?;
    for i in 0.. {
        let op = Op::Put { version: 1, document: large.clone() };
        batch = batch.write(&ITEMS, &format!("{i}"), Expect::Absent, op);
        if batch.writes.len() * (capabilities.document_bytes - 100) > capabilities.batch_bytes {
            break;
        }
    }
    ensure_eq!(code(&s.commit(batch).await), "too_large");
    ensure_eq!(s.find(&ITEMS, "0").await?, None);
    Ok(())
}
