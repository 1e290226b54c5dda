//! Documents, revisions, and keys.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, code};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::id::Revision;
use crate::schema::Key;
use crate::store::StoredDocument;
use crate::testing::{join_all, yield_now};

pub(super) async fn get_returns_none_for_absent_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "b", json!({"n": 1})).await?;
    ensure_eq!(s.store.get(&[]).await?, Vec::new());
    let keys = ["a", "b", "c", "b"].map(|id| Key::new(&ITEMS, id));
    let there: Vec<bool> = s.store.get(&keys).await?.iter().map(Option::is_some).collect();
    ensure_eq!(there, [false, true, false, true]);
    Ok(())
}

pub(super) async fn a_commit_is_visible_to_the_next_get(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let document = json!({"name": "first", "n": 1});
    let batch = s.batch()?.insert(&ITEMS, "a", document.clone()).insert(&ITEMS, "b", json!({}));
    let (command, result) = (batch.command.clone(), batch.result.clone());
    let receipt = s.commit(batch).await?;
    ensure_eq!((receipt.result, receipt.replayed), (result, false));
    let revision = Revision::first(&command, ITEMS.name, "a");
    let document = Arc::new(super::fixture::into_document(document));
    ensure_eq!(s.find(&ITEMS, "a").await?, Some(StoredDocument { revision, version: 1, document }));
    ensure_eq!(s.document(&ITEMS, "b").await?, json!({}));
    Ok(())
}

pub(super) async fn every_write_increments_the_revision(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    ensure_eq!(first.writes(), 1);
    let second = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    ensure_eq!(second, first.next());
    s.change(&ITEMS, "a", json!({"n": 2})).await?;
    ensure_eq!(s.revision(&ITEMS, "a").await?, second.next());
    Ok(())
}

pub(super) async fn a_recreated_document_has_a_new_incarnation(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({})).await?;
    s.delete(&ITEMS, "a").await?;
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    let again = s.put(&ITEMS, "a", json!({})).await?;
    ensure_eq!(again.writes(), 1);
    ensure!(again != first, "the new document has the revision of the deleted one");
    let old = s.commit(s.batch()?.replace(&ITEMS, "a", &first, json!({"n": 1}))).await;
    ensure_eq!(code(&old), "conflict");
    Ok(())
}

pub(super) async fn one_get_is_one_snapshot(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(s.batch()?.put(&ITEMS, "a", json!({"n": 0})).put(&ITEMS, "b", json!({"n": 0}))).await?;
    let (s, keys) = (&s, &["a", "b"].map(|id| Key::new(&ITEMS, id)));
    let writer = async move {
        for n in 1..=30 {
            s.commit(s.batch()?.put(&ITEMS, "a", json!({"n": n})).put(&ITEMS, "b", json!({"n": n}))).await?;
            yield_now().await;
        }
        Ok(())
    };
    let reader = async move {
        for _ in 0..60 {
            let found = s.store.get(keys).await?;
            let [Some(a), Some(b)] = found.as_slice() else { return Err(CaseFailure::new("a document vanished")) };
            ensure_eq!(a.document, b.document);
            yield_now().await;
        }
        Ok(())
    };
    join_all(vec![Box::pin(writer), Box::pin(reader)]).await.into_iter().collect()
}

pub(super) async fn similar_ids_are_distinct(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let long = "x".repeat(200);
    let longer_twin = format!("{}y", "x".repeat(199));
    let ids = [
        "Key",
        "key",
        "../x",
        "CON",
        "con",
        "a/b",
        "a\\b",
        "a.b",
        "a.",
        "a",
        " a",
        "%41",
        "A",
        "🦀",
        "\u{e9}",
        "e\u{301}",
        "_id",
        "__proto__",
        "constructor",
        "$x",
        "0",
        "-0",
        "null",
        "*",
        "?",
        "'",
        "\"",
        "a:b",
        &long,
        &longer_twin,
    ];
    let batch = s.batch()?;
    let batch = ids.iter().fold(batch, |batch, id| batch.insert(&ITEMS, id, json!({"any": id})));
    s.commit(batch).await?;
    for id in ids {
        ensure_eq!(s.document(&ITEMS, id).await?["any"], id);
    }
    s.delete(&ITEMS, "Key").await?;
    ensure!(s.find(&ITEMS, "key").await?.is_some(), "deleting `Key` deleted `key`");
    Ok(())
}

pub(super) async fn invalid_ids_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    for id in ["", "a\0b", "a\nb", "\u{7f}", "\u{85}", &"x".repeat(201), &"é".repeat(101)] {
        let refused = s.commit(s.batch()?.put(&ITEMS, id, json!({}))).await;
        ensure!(code(&refused) == "invalid", "writing under {id:?} returned {}", code(&refused));
    }
    Ok(())
}
