//! The maximum size of documents and batches.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, code, into_document};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::store::{Expectation, WriteOp};
use crate::value::json_bytes;

pub(super) async fn documents_over_the_size_limit_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
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

pub(super) async fn batches_over_the_write_limit_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let limit = s.store.capabilities().batch_writes;
    ensure!(limit >= 100, "a batch must take 100 writes at least");
    // A store without its own limit is not tested for it.
    if limit > 20_000 {
        return Ok(());
    }
    let batch = (0..limit).fold(s.batch()?, |batch, i| batch.insert(&ITEMS, &i.to_string(), json!({})));
    ensure_eq!(code(&s.commit(batch.clone().put(&ITEMS, "more", json!({}))).await), "too_large");
    ensure_eq!(code(&s.commit(batch).await), "ok");
    Ok(())
}

pub(super) async fn batches_over_the_byte_limit_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let capabilities = s.store.capabilities();
    ensure!(capabilities.batch_bytes >= capabilities.document_bytes, "a batch must take one largest document");
    if capabilities.batch_bytes > 16 * capabilities.document_bytes {
        return Ok(());
    }
    let large = Arc::new(into_document(json!({"any": "x".repeat(capabilities.document_bytes - 100)})));
    let mut batch = s.batch()?;
    for i in 0.. {
        let op = WriteOp::Put { version: 1, document: large.clone() };
        batch = batch.write(&ITEMS, &format!("{i}"), Expectation::Absent, op);
        if batch.writes.len() * (capabilities.document_bytes - 100) > capabilities.batch_bytes {
            break;
        }
    }
    ensure_eq!(code(&s.commit(batch).await), "too_large");
    ensure_eq!(s.find(&ITEMS, "0").await?, None);
    Ok(())
}
