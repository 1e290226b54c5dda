//! Declarations that few collections need. A backend may use one natively; no answer depends on it.

use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Collection, Field, Filter, Format, Index, MaterializedView, NumberRange, Query};
use runstate_value::Json;
use serde_json::json;

use super::fixture::{BatchExt as _, ConformanceFixture, ITEMS, catalog_of, code};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::{Freshness, Store};

async fn fixture(subject: &Subject, collection: &'static Collection) -> Result<ConformanceFixture, CaseFailure> {
    let s = ConformanceFixture::new(subject).await?;
    s.store.migrate(&catalog_of(&[&ITEMS, collection])?).await?;
    Ok(s)
}

pub(super) async fn numbers_outside_of_their_range_are_invalid(subject: &Subject) -> Verdict {
    const BOUNDED: Collection = Collection::new("conform.bounded", 1).fields(&[
        Field::decimal("share").format(Format::Decimal(5, 4)).range(NumberRange { min: Some(0), max: Some(1) }),
        Field::int("count").range(NumberRange::NOT_NEGATIVE).optional(),
    ]);
    let s = fixture(subject, &BOUNDED).await?;
    for (id, valid) in [("a", json!({"share": "0", "count": 0})), ("b", json!({"share": "1", "count": null}))] {
        s.put(&BOUNDED, id, valid.clone()).await?;
        ensure_eq!(s.document(&BOUNDED, id).await?, valid);
    }
    let read = s.expect_document(&BOUNDED, "a").await?;
    for invalid in [json!({"share": "1.0001"}), json!({"share": "-0.1"}), json!({"share": "0.5", "count": -1})] {
        let put = s.commit(s.batch()?.put(&BOUNDED, "c", invalid.clone())).await;
        ensure_eq!((code(&put), &invalid), ("invalid", &invalid));
        let changed = s.commit(s.batch()?.change(&BOUNDED, "a", &read, invalid.clone())).await;
        ensure_eq!((code(&changed), &invalid), ("invalid", &invalid));
    }
    ensure_eq!(s.ids(&Query::of(&BOUNDED)).await?, ["a", "b"]);
    Ok(())
}

pub(super) async fn documents_of_any_month_are_one_collection(subject: &Subject) -> Verdict {
    const USES: Collection = Collection::new("conform.uses", 1)
        .fields(&[Field::text("day").format(Format::Date), Field::int("n")])
        .indexes(&[Index::ordered(&[("n", Descending)])])
        .partition_by_month("day")
        .insert_only();
    let s = fixture(subject, &USES).await?;
    let days = ["0001-01-01", "2020-02-29", "2020-03-01", "9999-12-31"];
    let row = |n: usize| json!({"day": days[n], "n": n});
    let all = (0..4).fold(s.batch()?, |batch, n| batch.insert(&USES, &format!("u{n}"), row(n)));
    s.commit(all).await?;
    // An id is unique over all months.
    ensure_eq!(code(&s.commit(s.batch()?.insert(&USES, "u1", row(2))).await), "conflict");
    for _ in 0..2 {
        s.store.maintain().await?;
        ensure_eq!(s.ids(&Query::of(&USES).sort("n", Descending)).await?, ["u3", "u2", "u1", "u0"]);
        let early = Filter::Lt("day".to_owned(), "2020-03-01".into());
        ensure_eq!(s.ids(&Query::of(&USES).filter(early)).await?, ["u0", "u1"]);
        ensure_eq!(s.document(&USES, "u2").await?, row(2));
        ensure_eq!(code(&s.commit(s.batch()?.insert(&USES, "u1", row(3))).await), "conflict");
    }
    s.delete(&USES, "u1").await?;
    s.commit(s.batch()?.insert(&USES, "u1", row(0))).await?;
    ensure_eq!(s.ids(&Query::of(&USES).eq("day", days[0])).await?, ["u0", "u1"]);
    Ok(())
}

pub(super) async fn a_view_changes_no_document(subject: &Subject) -> Verdict {
    const OWNERS: MaterializedView = MaterializedView {
        name: "conform.owners",
        query: "SELECT owner, count(*) AS documents FROM conform.owned GROUP BY owner",
        reads: &[("conform.owned", &["owner"])],
        index: "owners_key",
        key: &["owner"],
    };
    const OWNED: Collection = Collection::new("conform.owned", 1)
        .fields(&[Field::text("owner"), Field::int("n")])
        .indexes(&[Index::ordered(&[("n", Ascending)]).unique()])
        .views(&[&OWNERS]);
    let s = fixture(subject, &OWNED).await?;
    for (n, (id, owner)) in [("a", "x"), ("b", "y"), ("c", "x")].into_iter().enumerate() {
        s.put(&OWNED, id, json!({"owner": owner, "n": n})).await?;
    }
    let before = s.revision(&OWNED, "a").await?;
    // A store that keeps the view refreshes its two rows.
    for _ in 0..2 {
        let rows = s.store.maintain().await?;
        ensure!(matches!(rows, None | Some(2)), "maintain refreshed {rows:?} rows");
    }
    ensure_eq!(s.revision(&OWNED, "a").await?, before);
    ensure_eq!(s.ids(&Query::of(&OWNED).eq("owner", "x")).await?, ["a", "c"]);
    Ok(())
}

pub(super) async fn a_secret_is_read_and_found_by_its_value(subject: &Subject) -> Verdict {
    const VAULT: Collection = Collection::new("conform.vault", 1)
        .fields(&[
            Field::text("name"),
            Field::text("token").max(20).secret().searchable().optional(),
            Field::json("note").secret().optional(),
        ])
        .indexes(&[Index::ordered(&[("token", Ascending)])]);
    let s = fixture(subject, &VAULT).await?;
    let found = async |token: &str| s.ids(&Query::of(&VAULT).eq("token", token)).await;
    let document = json!({"name": "a", "token": "t1", "note": {"deep": [1, null, "x"]}});
    s.put(&VAULT, "a", document.clone()).await?;
    s.put(&VAULT, "b", json!({"name": "b"})).await?;
    ensure_eq!(s.document(&VAULT, "a").await?, document);
    ensure_eq!((found("t1").await?.concat(), found("t2").await?.concat()), ("a".to_owned(), String::new()));
    for invalid in [json!({"name": "c", "token": 1}), json!({"name": "c", "token": "x".repeat(21)})] {
        ensure_eq!(code(&s.commit(s.batch()?.put(&VAULT, "c", invalid)).await), "invalid");
    }
    s.change(&VAULT, "a", json!({"name": "a", "token": "t2", "note": 7})).await?;
    ensure_eq!((found("t1").await?.concat(), found("t2").await?.concat()), (String::new(), "a".to_owned()));
    let page = s.store.query(&Query::of(&VAULT), Freshness::Linearizable).await?;
    let notes: Vec<&Json> =
        page.items.iter().map(|row| row.stored.document.get("note").unwrap_or(&Json::Null)).collect();
    ensure_eq!(notes, [&json!(7), &Json::Null]);
    Ok(())
}

pub(super) async fn documents_are_read_by_the_fields_of_their_id(subject: &Subject) -> Verdict {
    const KEYED: Collection = Collection::new("conform.keyed", 1)
        .fields(&[Field::id("uuid").format(Format::Uuid), Field::int("n")])
        .id_fields(&["uuid"]);
    const STEPS: Collection =
        Collection::new("conform.steps", 1).fields(&[Field::id("run"), Field::int("step")]).id_fields(&["run", "step"]);
    let s = ConformanceFixture::new(subject).await?;
    s.store.migrate(&catalog_of(&[&ITEMS, &KEYED, &STEPS])?).await?;
    let uuid = |n: u32| format!("01900000-0000-7000-8000-00000000000{n}");
    for n in [2, 1, 3] {
        s.put(&KEYED, &uuid(n), json!({"uuid": uuid(n), "n": n})).await?;
        s.put(&STEPS, &format!("r:{n}"), json!({"run": "r", "step": n})).await?;
    }
    s.change(&KEYED, &uuid(2), json!({"uuid": uuid(2), "n": 7})).await?;
    ensure_eq!(s.document(&KEYED, &uuid(2)).await?, json!({"uuid": uuid(2), "n": 7}));
    ensure_eq!(s.ids(&Query::of(&KEYED).eq("uuid", uuid(3))).await?, [uuid(3)]);
    ensure_eq!(s.ids(&Query::of(&KEYED).sort("uuid", Descending).limit(2)).await?, [uuid(3), uuid(2)]);
    s.delete(&KEYED, &uuid(1)).await?;
    ensure_eq!(s.ids(&Query::of(&KEYED)).await?, [uuid(2), uuid(3)]);
    ensure_eq!(s.document(&STEPS, "r:2").await?, json!({"run": "r", "step": 2}));
    ensure_eq!(s.ids(&Query::of(&STEPS).eq("run", "r").sort("step", Descending)).await?, ["r:3", "r:2", "r:1"]);
    Ok(())
}
