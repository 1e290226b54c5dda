//! Expectations, checks, atomicity, declarations, and unique indexes.

use runstate_core::limits::DOCUMENT_DEPTH;
use runstate_core::schema::{Collection, Key, Query};
use runstate_value::{Difference, FieldPath, Json, Segment};
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, ROWS, SLOTS, change_op, code, into_document};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::testing::join_all;
use crate::{Batch, COMMANDS, Expectation, Outcome, StoreError, WriteOp};

pub(super) async fn expect_absent_conflicts_with_an_existing_document(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 1}))).await?;
    let second = s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 2}))).await;
    ensure_eq!(
        second.as_ref().err().and_then(StoreError::key).map(|key| key.to_string()),
        Some("conform.items/a".to_owned())
    );
    ensure_eq!(code(&second), "conflict");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 1}));
    s.delete(&ITEMS, "a").await?;
    s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 3}))).await?;
    Ok(())
}

pub(super) async fn expect_revision_conflicts_with_any_other_revision(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    s.commit(s.batch()?.replace(&ITEMS, "a", &first, json!({"n": 2}))).await?;
    let stale = s.commit(s.batch()?.replace(&ITEMS, "a", &first, json!({"n": 3}))).await;
    ensure_eq!(code(&stale), "conflict");
    let future = s.commit(s.batch()?.replace(&ITEMS, "a", &first.next().next(), json!({"n": 3}))).await;
    ensure_eq!(code(&future), "conflict");
    let missing = s.commit(s.batch()?.replace(&ITEMS, "b", &first, json!({"n": 3}))).await;
    ensure_eq!(code(&missing), "conflict");
    let expect = Expectation::Revision(first.clone());
    let delete = s.commit(s.batch()?.write(&ITEMS, "a", expect, WriteOp::Delete)).await;
    ensure_eq!(code(&delete), "conflict");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 2}));
    let expect = Expectation::Revision(first.next());
    s.commit(s.batch()?.write(&ITEMS, "a", expect, WriteOp::Delete)).await?;
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    Ok(())
}

pub(super) async fn expect_any_accepts_present_and_absent_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    ensure_eq!(code(&s.commit(s.batch()?.delete(&ITEMS, "a")).await), "ok");
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", json!({"n": 1}))).await), "ok");
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", json!({"n": 2}))).await), "ok");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 2}));
    ensure_eq!(code(&s.commit(s.batch()?.delete(&ITEMS, "a")).await), "ok");
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    Ok(())
}

pub(super) async fn a_check_conflicts_unless_its_revision_is_current(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({})).await?;
    ensure_eq!(code(&s.commit(s.batch()?.check(&ITEMS, "a", &first).put(&ITEMS, "b", json!({}))).await), "ok");
    let second = s.put(&ITEMS, "a", json!({})).await?;
    let stale = s.commit(s.batch()?.check(&ITEMS, "a", &first).put(&ITEMS, "c", json!({}))).await;
    ensure_eq!(code(&stale), "conflict");
    ensure_eq!(s.find(&ITEMS, "c").await?, None);
    s.delete(&ITEMS, "a").await?;
    ensure_eq!(code(&s.commit(s.batch()?.check(&ITEMS, "a", &second)).await), "conflict");
    Ok(())
}

pub(super) async fn a_failed_batch_writes_nothing(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "there", json!({"n": 1})).await?;
    let batch = s.batch()?;
    let doomed = batch.clone().put(&ITEMS, "a", json!({})).delete(&ITEMS, "there").insert(&ITEMS, "z", json!({}));
    for failing in [
        doomed.clone().replace(&ITEMS, "b", &first, json!({})),
        doomed.clone().put(&ITEMS, "b", json!({"n": "no number"})),
        doomed.clone().put(&SLOTS, "1", json!({"place": "p"})).put(&SLOTS, "2", json!({"place": "p"})),
        doomed.clone().check(&ITEMS, "b", &first),
    ] {
        ensure_eq!(s.commit(failing).await.is_err(), true);
        ensure_eq!(s.find(&ITEMS, "a").await?, None);
        ensure_eq!(s.find(&ITEMS, "z").await?, None);
        ensure_eq!(s.revision(&ITEMS, "there").await?, first);
        ensure_eq!(s.store.outcome(&batch.command).await?, Outcome::Absent);
    }
    let receipt = s.commit(doomed).await?;
    ensure_eq!(receipt.replayed, false);
    ensure_eq!(s.find(&ITEMS, "there").await?, None);
    Ok(())
}

pub(super) async fn a_batch_that_contradicts_itself_is_invalid(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    let twice = s.batch()?.put(&ITEMS, "a", json!({})).delete(&ITEMS, "a");
    ensure_eq!(code(&s.commit(twice).await), "invalid");
    let checked = s.batch()?.put(&ITEMS, "a", json!({})).check(&ITEMS, "a", &first);
    ensure_eq!(code(&s.commit(checked).await), "invalid");
    ensure_eq!(s.revision(&ITEMS, "a").await?, first);
    Ok(())
}

pub(super) async fn only_declared_collections_are_written(subject: &Subject) -> Verdict {
    const STRANGE: Collection = Collection::new("conform.strange", 1);
    let s = ConformanceFixture::new(subject).await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&STRANGE, "a", json!({}))).await), "invalid");
    let row = json!({"id": "a", "at": 0, "fingerprint": "", "result": null});
    ensure_eq!(code(&s.commit(s.batch()?.put(&COMMANDS, "a", row)).await), "invalid");
    ensure_eq!(code(&s.commit(s.batch()?.delete(&COMMANDS, "command-0")).await), "invalid");
    Ok(())
}

pub(super) async fn insert_only_documents_never_change(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(s.batch()?.insert(&ROWS, "a", json!({"line": "1"}))).await?;
    let (read, other) = (s.expect_document(&ROWS, "a").await?, json!({"line": "2"}));
    // Also for an absent document: a store does not know whether the document exists before it reads.
    for id in ["a", "b"] {
        ensure_eq!(code(&s.commit(s.batch()?.put(&ROWS, id, other.clone())).await), "invalid");
        ensure_eq!(code(&s.commit(s.batch()?.replace(&ROWS, id, &read.revision, other.clone())).await), "invalid");
        ensure_eq!(code(&s.commit(s.batch()?.change(&ROWS, id, &read, other.clone())).await), "invalid");
    }
    ensure_eq!(s.expect_document(&ROWS, "a").await?, read);
    s.delete(&ROWS, "a").await?;
    s.commit(s.batch()?.insert(&ROWS, "a", json!({"line": "2"}))).await?;
    Ok(())
}

pub(super) async fn documents_that_break_their_declaration_are_invalid(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"n": 1, "status": "on"})).await?;
    let read = s.expect_document(&ITEMS, "a").await?;
    for invalid in [
        json!({"n": 1.5}),
        json!({"n": 9_007_199_254_740_992i64}),
        json!({"n": "1"}),
        json!({"name": 1}),
        json!({"name": "x".repeat(101)}),
        json!({"status": "maybe"}),
        json!({"cost": "1e3"}),
        json!({"cost": 1}),
        json!({"cost": "007.5"}),
        json!({"cost": "-0"}),
        json!({"tags": {}}),
        json!({"meta": []}),
    ] {
        let put = s.commit(s.batch()?.put(&ITEMS, "b", invalid.clone())).await;
        ensure_eq!((code(&put), &invalid), ("invalid", &invalid));
        let changed = s.commit(s.batch()?.change(&ITEMS, "a", &read, invalid.clone())).await;
        ensure_eq!((code(&changed), &invalid), ("invalid", &invalid));
    }
    ensure_eq!(code(&s.commit(s.batch()?.put(&ROWS, "a", json!({}))).await), "invalid");
    ensure_eq!(s.expect_document(&ITEMS, "a").await?, read);
    s.put(&ITEMS, "b", json!({"n": 9_007_199_254_740_991i64, "undeclared": [1]})).await?;
    Ok(())
}

pub(super) async fn values_outside_the_common_limits_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"any": 1})).await?;
    let read = s.expect_document(&ITEMS, "a").await?;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let names = ["", "$set", "a.b", "a\u{0}", "_id", "_rev", "_v", "_touch"].map(|name| json!({"any": 1, name: 2}));
    let values = [
        json!({"any": {"deep": [{"a\u{0}b": 1}]}}),
        json!({"any": 1, "undeclared": [9_007_199_254_740_992i64]}),
        json!({"any": {"n": -9_007_199_254_740_992i64}}),
        json!({"any": u64::MAX}),
        json!({"any": nested(DOCUMENT_DEPTH)}),
    ];
    for refused in names.into_iter().chain(values) {
        let put = s.commit(s.batch()?.put(&ITEMS, "b", refused.clone())).await;
        ensure!(code(&put) == "invalid", "writing {refused} returned {}", code(&put));
        let changed = s.commit(s.batch()?.change(&ITEMS, "a", &read, refused.clone())).await;
        ensure!(code(&changed) == "invalid", "changing to {refused} returned {}", code(&changed));
    }
    ensure_eq!(s.expect_document(&ITEMS, "a").await?, read);
    ensure_eq!(s.find(&ITEMS, "b").await?, None);
    for result in [json!({"a\u{0}": 1}), json!([u64::MAX]), nested(DOCUMENT_DEPTH)] {
        ensure_eq!(code(&s.commit(Batch { result, ..s.batch()? }).await), "invalid");
    }
    s.change(&ITEMS, "a", json!({"any": nested(DOCUMENT_DEPTH - 1)})).await?;
    Ok(())
}

pub(super) async fn operations_that_contradict_their_expectation_are_invalid(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    for id in ["a", "b"] {
        for expect in [Expectation::Absent, Expectation::Any] {
            let set = Difference { set: vec![(path(&["n"]), json!(2))], unset: vec![] };
            let change = change_op(set, into_document(json!({"n": 2})));
            let refused = s.commit(s.batch()?.write(&ITEMS, id, expect.clone(), change)).await;
            ensure!(code(&refused) == "invalid", "a change of {id} under {expect:?} returned {}", code(&refused));
        }
        let delete = s.commit(s.batch()?.write(&ITEMS, id, Expectation::Absent, WriteOp::Delete)).await;
        ensure!(code(&delete) == "invalid", "deleting {id} under Absent returned {}", code(&delete));
    }
    ensure_eq!(s.revision(&ITEMS, "a").await?, first);
    ensure_eq!(s.find(&ITEMS, "b").await?, None);
    Ok(())
}

pub(super) async fn a_change_conflicts_unless_its_revision_is_current(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"any": {"list": [1]}, "n": 1})).await?;
    let read = s.expect_document(&ITEMS, "a").await?;
    let after = json!({"any": {"list": [1, 0]}, "name": "x"});
    let missing = s.commit(s.batch()?.change(&ITEMS, "b", &read, after.clone())).await;
    ensure_eq!(code(&missing), "conflict");
    s.commit(s.batch()?.change(&ITEMS, "a", &read, after.clone())).await?;
    ensure_eq!(s.document(&ITEMS, "a").await?, after);
    ensure_eq!(s.revision(&ITEMS, "a").await?, read.revision.next());
    let stale = s.commit(s.batch()?.change(&ITEMS, "a", &read, json!({"n": 3}))).await;
    ensure_eq!(code(&stale), "conflict");
    ensure_eq!(s.document(&ITEMS, "a").await?, after);
    ensure_eq!(s.ids(&Query::of(&ITEMS).eq("name", "x")).await?, ["a"]);
    Ok(())
}

pub(super) async fn a_difference_that_contradicts_its_document_is_invalid(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "a", json!({"n": 1, "name": "x"})).await?;
    let read = s.expect_document(&ITEMS, "a").await?;
    let set = |n: Json| Difference { set: vec![(path(&["n"]), n)], unset: vec![path(&["name"])] };
    for (difference, after) in [
        (set(json!(2)), json!({"n": 3})),
        (set(json!(2)), json!({"n": 2, "name": "x"})),
        // Declarations are checked on the document, so an invalid value must not pass in the difference.
        (set(json!("no number")), json!({"n": 2})),
    ] {
        let op = change_op(difference, into_document(after));
        let refused = s.commit(s.batch()?.write(&ITEMS, "a", Expectation::Revision(read.revision.clone()), op)).await;
        ensure_eq!(code(&refused), "invalid");
    }
    ensure_eq!(s.expect_document(&ITEMS, "a").await?, read);
    Ok(())
}

fn path(keys: &[&str]) -> FieldPath {
    FieldPath(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
}

pub(super) async fn a_unique_index_refuses_a_second_entry(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({"place": "x"})).await?;
    let clash = s.commit(s.batch()?.put(&SLOTS, "b", json!({"place": "x"}))).await;
    let expected = StoreError::UniqueViolation { key: Key::new(&SLOTS, "b"), index: "place".to_owned() };
    ensure_eq!(clash.err(), Some(expected));
    let twins = s.batch()?.put(&SLOTS, "c", json!({"place": "y"})).put(&SLOTS, "d", json!({"place": "y"}));
    ensure_eq!(code(&s.commit(twins).await), "unique_violation");
    // A document may keep its own value. Texts that differ by one byte are distinct.
    s.put(&SLOTS, "a", json!({"place": "x", "owner": "o"})).await?;
    s.put(&SLOTS, "b", json!({"place": "X"})).await?;
    s.put(&SLOTS, "c", json!({"place": ""})).await?;
    Ok(())
}

pub(super) async fn missing_fields_clash_in_a_unique_index(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({})).await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&SLOTS, "b", json!({}))).await), "unique_violation");
    s.delete(&SLOTS, "a").await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&SLOTS, "b", json!({}))).await), "ok");
    Ok(())
}

pub(super) async fn a_partial_unique_index_ignores_excluded_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({"place": "1", "owner": "o", "live": true})).await?;
    s.put(&SLOTS, "b", json!({"place": "2", "owner": "o", "live": false})).await?;
    s.put(&SLOTS, "c", json!({"place": "3", "owner": "o"})).await?;
    let alive = json!({"place": "2", "owner": "o", "live": true});
    let clash = s.commit(s.batch()?.put(&SLOTS, "b", alive.clone())).await;
    ensure_eq!(
        clash.err(),
        Some(StoreError::UniqueViolation { key: Key::new(&SLOTS, "b"), index: "owner".to_owned() })
    );
    s.put(&SLOTS, "a", json!({"place": "1", "owner": "o", "live": false})).await?;
    s.put(&SLOTS, "b", alive).await?;
    Ok(())
}

pub(super) async fn uniqueness_is_checked_after_the_whole_batch(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(s.batch()?.put(&SLOTS, "a", json!({"place": "x"})).put(&SLOTS, "b", json!({"place": "y"}))).await?;
    let swap = s.batch()?.put(&SLOTS, "a", json!({"place": "y"})).put(&SLOTS, "b", json!({"place": "x"}));
    ensure_eq!(code(&s.commit(swap).await), "ok");
    let hand_on = s.batch()?.put(&SLOTS, "c", json!({"place": "x"})).delete(&SLOTS, "b");
    ensure_eq!(code(&s.commit(hand_on).await), "ok");
    let chain = s.batch()?.put(&SLOTS, "d", json!({"place": "y"})).put(&SLOTS, "a", json!({"place": "x"}));
    ensure_eq!(code(&s.commit(chain).await), "unique_violation");
    ensure_eq!(s.document(&SLOTS, "a").await?, json!({"place": "y"}));
    Ok(())
}

pub(super) async fn of_concurrent_inserts_of_an_entry_one_commits(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let batches: Result<Vec<_>, CaseFailure> =
        (0..8).map(|i| Ok(s.batch()?.insert(&SLOTS, &format!("{i}"), json!({"place": "x"})))).collect();
    let results = join_all(batches?.into_iter().map(|batch| s.store.commit(batch)).collect()).await;
    let mut codes: Vec<&str> = results.iter().map(code).collect();
    codes.sort_unstable();
    ensure_eq!(codes, [&["ok"][..], &["unique_violation"; 7]].concat());
    Ok(())
}
