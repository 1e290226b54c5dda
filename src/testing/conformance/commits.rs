//! Expectations, checks, atomicity, declarations.

use serde_json::json;

use super::scene::{ITEMS, ROWS, SLOTS, Scene, Writing, code, object};
use super::{Subject, Verdict, ensure_eq};
use crate::schema::Collection;
use crate::store::{COMMANDS, Error, Expect, Op, Outcome};
use crate::value::{Difference, Path, Segment, difference};

pub(super) async fn absent_means_nothing_is_there(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 1}))).await?;
    let again = s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 2}))).await;
    ensure_eq!(
        again.as_ref().err().and_then(Error::key).map(|key| key.to_string()),
        Some("conform.items/a".to_owned())
    );
    ensure_eq!(code(&again), "conflict");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 1}));
    s.delete(&ITEMS, "a").await?;
    s.commit(s.batch()?.insert(&ITEMS, "a", json!({"n": 3}))).await?;
    Ok(())
}

pub(super) async fn a_revision_is_expected_exactly(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let first = s.put(&ITEMS, "a", json!({"n": 1})).await?;
    s.commit(s.batch()?.replace(&ITEMS, "a", &first, json!({"n": 2}))).await?;
    let stale = s.commit(s.batch()?.replace(&ITEMS, "a", &first, json!({"n": 3}))).await;
    ensure_eq!(code(&stale), "conflict");
    let future = s.commit(s.batch()?.replace(&ITEMS, "a", &first.next().next(), json!({"n": 3}))).await;
    ensure_eq!(code(&future), "conflict");
    let missing = s.commit(s.batch()?.replace(&ITEMS, "b", &first, json!({"n": 3}))).await;
    ensure_eq!(code(&missing), "conflict");
    let expect = Expect::Revision(first.clone());
    let delete = s.commit(s.batch()?.write(&ITEMS, "a", expect, Op::Delete)).await;
    ensure_eq!(code(&delete), "conflict");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 2}));
    let expect = Expect::Revision(first.next());
    s.commit(s.batch()?.write(&ITEMS, "a", expect, Op::Delete)).await?;
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    Ok(())
}

pub(super) async fn any_takes_what_is_there(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let set = || Difference { set: vec![(path(&["n"]), json!(2))], unset: vec![] };
    ensure_eq!(code(&s.commit(s.batch()?.delete(&ITEMS, "a")).await), "ok");
    ensure_eq!(code(&s.commit(s.batch()?.change(&ITEMS, "a", set())).await), "conflict");
    ensure_eq!(code(&s.commit(s.batch()?.put(&ITEMS, "a", json!({"n": 1}))).await), "ok");
    ensure_eq!(code(&s.commit(s.batch()?.change(&ITEMS, "a", set())).await), "ok");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 2}));
    ensure_eq!(code(&s.commit(s.batch()?.delete(&ITEMS, "a")).await), "ok");
    ensure_eq!(s.find(&ITEMS, "a").await?, None);
    Ok(())
}

pub(super) async fn a_check_holds_or_conflicts(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
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

pub(super) async fn all_or_nothing(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let first = s.put(&ITEMS, "there", json!({"n": 1})).await?;
    let batch = s.batch()?;
    let doomed = batch.clone().put(&ITEMS, "a", json!({})).delete(&ITEMS, "there").insert(&ITEMS, "z", json!({}));
    for fault in [
        doomed.clone().replace(&ITEMS, "b", &first, json!({})),
        doomed.clone().put(&ITEMS, "b", json!({"n": "no number"})),
        doomed.clone().put(&SLOTS, "1", json!({"place": "p"})).put(&SLOTS, "2", json!({"place": "p"})),
        doomed.clone().check(&ITEMS, "b", &first),
    ] {
        ensure_eq!(s.commit(fault).await.is_err(), true);
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

pub(super) async fn a_batch_may_not_contradict_itself(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
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
    let s = Scene::of(subject).await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&STRANGE, "a", json!({}))).await), "invalid");
    let row = json!({"id": "a", "at": 0, "fingerprint": "", "result": null});
    ensure_eq!(code(&s.commit(s.batch()?.put(&COMMANDS, "a", row)).await), "invalid");
    ensure_eq!(code(&s.commit(s.batch()?.delete(&COMMANDS, "command-0")).await), "invalid");
    Ok(())
}

pub(super) async fn what_is_inserted_only_never_changes(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    s.commit(s.batch()?.insert(&ROWS, "a", json!({"line": "1"}))).await?;
    let set = Difference { set: vec![(path(&["line"]), json!("2"))], unset: vec![] };
    ensure_eq!(code(&s.commit(s.batch()?.put(&ROWS, "a", json!({"line": "2"}))).await), "invalid");
    ensure_eq!(code(&s.commit(s.batch()?.change(&ROWS, "a", set)).await), "invalid");
    s.delete(&ROWS, "a").await?;
    s.commit(s.batch()?.insert(&ROWS, "a", json!({"line": "2"}))).await?;
    Ok(())
}

pub(super) async fn declarations_are_kept(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    s.put(&ITEMS, "a", json!({"n": 1, "status": "on"})).await?;
    for breach in [
        json!({"n": 1.5}),
        json!({"n": 9_007_199_254_740_992i64}),
        json!({"n": "1"}),
        json!({"name": 1}),
        json!({"name": "x".repeat(101)}),
        json!({"status": "maybe"}),
        json!({"cost": "1e3"}),
        json!({"cost": 1}),
        json!({"tags": {}}),
        json!({"meta": []}),
    ] {
        let whole = s.commit(s.batch()?.put(&ITEMS, "b", breach.clone())).await;
        ensure_eq!((code(&whole), &breach), ("invalid", &breach));
        let change = difference(&object(json!({"n": 1, "status": "on"})), &object(breach.clone()));
        let changed = s.commit(s.batch()?.change(&ITEMS, "a", change)).await;
        ensure_eq!((code(&changed), &breach), ("invalid", &breach));
    }
    ensure_eq!(code(&s.commit(s.batch()?.put(&ROWS, "a", json!({}))).await), "invalid");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 1, "status": "on"}));
    s.put(&ITEMS, "b", json!({"n": 9_007_199_254_740_991i64, "undeclared": [1]})).await?;
    Ok(())
}

pub(super) async fn a_difference_fits_or_conflicts(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    s.put(&ITEMS, "a", json!({"any": {"list": [1]}})).await?;
    let set = |at: Path| Difference { set: vec![(at, json!(0))], unset: vec![] };
    let misfits = [
        set(path(&["meta", "x"])),
        set(path(&["any", "list", "x"])),
        set(Path(vec![Segment::Key("any".into()), Segment::Key("list".into()), Segment::Index(2)])),
        Difference { set: vec![], unset: vec![path(&["n"])] },
        Difference { set: vec![], unset: vec![path(&["any", "x"])] },
    ];
    for misfit in misfits {
        ensure_eq!(code(&s.commit(s.batch()?.change(&ITEMS, "a", misfit)).await), "conflict");
    }
    let fits = Path(vec![Segment::Key("any".into()), Segment::Key("list".into()), Segment::Index(1)]);
    s.commit(s.batch()?.change(&ITEMS, "a", set(fits))).await?;
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"any": {"list": [1, 0]}}));
    Ok(())
}

fn path(keys: &[&str]) -> Path {
    Path(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
}
