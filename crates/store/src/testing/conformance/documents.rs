//! Documents, revisions and keys, the maximum size of documents and batches, and values, which are read back as they
//! were written.

use std::sync::Arc;

use runstate_core::id::Revision;
use runstate_core::schema::{Collection, Field, Key, Query};
use runstate_value::{Document, Json, is_identical, json_bytes};
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, catalog_of, code, into_document};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::testing::{SimIds, join_all, yield_now};
use crate::{Batch, Expectation, Freshness, StoredDocument, WriteOp};

pub(super) async fn get_returns_none_for_absent_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&ITEMS, "b", json!({"n": 1})).await?;
    ensure_eq!(s.store.get(&[], Freshness::Linearizable).await?, Vec::new());
    let keys = ["a", "b", "c", "b"].map(|id| Key::new(&ITEMS, id));
    let there: Vec<bool> = s.store.get(&keys, Freshness::Linearizable).await?.iter().map(Option::is_some).collect();
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
            let found = s.store.get(keys, Freshness::Linearizable).await?;
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

pub(super) async fn documents_over_the_size_limit_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let limit = s.store.capabilities().document_bytes;
    let overhead = json_bytes(&json!({"any": ""}));
    let of = |bytes: usize| json!({"any": "x".repeat(bytes - overhead)});
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

/// Compares JSON where `1` and `1.0` are one number, as in IndexedDB, and zero has no sign.
fn json_equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_equal(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| json_equal(a, b)))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

pub(super) async fn values_round_trip_unchanged(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let deep = (0..60).fold(json!("core"), |inner, i| if i % 2 == 0 { json!([inner]) } else { json!({"k": inner}) });
    let numbers = json!({
        "zero": 0, "minus zero": -0.0, "one": 1, "one and a half": 1.5, "tenth": 0.1, "third": 0.333_333_333_333_333_3,
        "tiny": 5e-324, "huge": 1.797_693_134_862_315_7e308, "2^53": 9_007_199_254_740_992.0, "2^64": 18_446_744_073_709_551_616.0,
        "safe": 9_007_199_254_740_991i64, "minus safe": -9_007_199_254_740_991i64,
    });
    let texts = json!({
        "nul": "a\u{0}b", "controls": "\u{1}\t\r\n\u{7f}\u{2028}", "bom": "\u{feff}x", "noncharacter": "\u{ffff}",
        "astral": "🦀𝒳", "accents": "e\u{301}\u{e9}", "quotes": "\"'`\\/", "markup": "</script><!--", "digits": "007",
        "time": "2024-01-20T10:00:00Z", "oid": {"$oid": "0123456789abcdef01234567"}, "empty": "",
    });
    let keys = json!({
        "": {"": ""}, "$set": {"$ref": 1}, "a.b": {"c.d": [{"$x.y": 1}]}, "$": 1, ".": 2, "__proto__": {"x": 1},
        "constructor": 1, "toString": 2, "length": 3, "0": "a", "1": "b", "Case": 1, "case": 2, "\u{e9}": 1, "e\u{301}": 2,
    });
    let kinds = json!({
        "null": null, "true": true, "false": false, "empty list": [], "empty object": {},
        "lists": [[], [[]], [null], [1, "1", true, {}]], "deep": deep,
    });
    let values = Json::Object([numbers, texts, keys, kinds].into_iter().flat_map(into_document).collect());
    s.put(&ITEMS, "inside", json!({"any": values.clone()})).await?;
    let found = s.document(&ITEMS, "inside").await?;
    for (name, value) in &into_document(values.clone()) {
        let back = found["any"].get(name).unwrap_or(&Json::Null);
        ensure!(json_equal(back, value), "`{name}` was written as {value} and read as {back}");
    }
    ensure!(json_equal(&found["any"], &values), "a value was read that was never written");
    // A value that was read can be written again: a large float is not an integer now.
    s.put(&ITEMS, "again", found).await?;

    // The same values as fields of the document, if their names are allowed at the top level. `id` is a field like any
    // other.
    let mut fields = into_document(values);
    fields.retain(|name, _| !name.is_empty() && !name.starts_with('$') && !name.contains('.'));
    fields.extend(into_document(json!({"id": "mine", "key": "k", "value": "v", "_ids": "i", "rev": 1, "doc": {}})));
    s.put(&ITEMS, "on top", fields.clone().into()).await?;
    let found = s.document(&ITEMS, "on top").await?;
    ensure!(json_equal(&found, &Json::Object(fields)), "fields changed: {found}");
    Ok(())
}

pub(super) async fn differences_round_trip_unchanged(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let long: Vec<Json> = (0..20).map(|i| json!({"i": i})).collect();
    let mut state = json!({"any": {"long": long, "gone": 1, "a.b": {"$c": 1}, "": 0}, "n": 1, "name": "x"});
    s.put(&ITEMS, "a", state.clone()).await?;
    let steps: [fn(&mut Json); 9] = [
        |d| d["any"]["long"][7]["i"] = json!("changed"),
        |d| d["any"]["long"][3] = json!(null),
        |d| d["any"]["long"].as_array_mut().into_iter().for_each(|list| list.push(json!([1, 2]))),
        |d| drop(d["any"].as_object_mut().and_then(|any| any.shift_remove("gone"))),
        |d| d["any"]["a.b"]["$c"] = json!({"$": ".", "": [0]}),
        |d| d["any"][""] = json!({}),
        |d| drop(d.as_object_mut().and_then(|d| d.shift_remove("n"))),
        |d| d["any"]["long"] = json!([]),
        |d| *d = json!({"n": 5, "tags": ["t"]}),
    ];
    for (i, step) in steps.iter().enumerate() {
        step(&mut state);
        s.change(&ITEMS, "a", state.clone()).await?;
        let found = s.document(&ITEMS, "a").await?;
        ensure!(json_equal(&found, &state), "after step {i} the document is {found}, not {state}");
    }
    ensure_eq!(s.revision(&ITEMS, "a").await?.writes(), 10);
    Ok(())
}

pub(super) async fn keys_keep_their_order(subject: &Subject) -> Verdict {
    const VALUES: Collection = Collection::new("conform.values", 1)
        .fields(&[Field::id("id"), Field::json("input").optional(), Field::text("kind").optional()])
        .keeps_order();
    let parse = |text: &str| serde_json::from_str::<Json>(text).map_err(|error| CaseFailure::new(error.to_string()));
    let s = ConformanceFixture::new(subject).await?;
    s.store.migrate(&catalog_of(&[&ITEMS, &VALUES])?).await?;
    let inner = r#"{"zeta":1,"b":{"y":[{"q":1,"p":2},{"q":3,"p":4},{"p":5}],"x":{}},"10":2,"9":3,"a":4,"\u0001é":5}"#;
    let steps = [
        r#"{"zeta":1,"kind":"k","id":"a","input":INNER,"alpha":[INNER,1]}"#,
        // Members are added at the end, in another order than that of their names.
        r#"{"zeta":1,"kind":"k","id":"a","input":INNER,"alpha":[INNER,1],"y":1,"x":2,"7":3,"10":4}"#,
        r#"{"zeta":1,"kind":"k","id":"a","input":{"b":INNER,"z":1,"a":2},"alpha":[INNER,1],"y":1,"x":2}"#,
        r#"{"zeta":1,"kind":"k","id":"a","input":{"b":INNER,"z":1,"a":2,"n":3,"m":4},"alpha":[INNER,1],"y":1,"x":2}"#,
        // Only the order changes: inside, then of the fields.
        r#"{"zeta":1,"kind":"k","id":"a","input":{"z":1,"n":3,"b":INNER,"a":2,"m":4},"alpha":[INNER,1],"y":1,"x":2}"#,
        r#"{"x":2,"id":"a","alpha":[INNER,1],"kind":"k","input":{"z":1,"n":3,"b":INNER,"a":2,"m":4},"y":1,"zeta":1}"#,
        r#"{"x":2,"kind":"k","id":"a","input":{"z":1,"n":3,"a":2,"m":4},"y":1}"#,
    ];
    for (at, step) in steps.into_iter().enumerate() {
        let document = parse(&step.replace("INNER", inner))?;
        match at {
            0 => drop(s.put(&VALUES, "a", document.clone()).await?),
            _ => drop(s.change(&VALUES, "a", document.clone()).await?),
        }
        let another = s.put(&VALUES, "b", document.clone()).await;
        ensure!(another.is_ok(), "step {at} is not written whole: {another:?}");
        let mut stores = vec![s.store.clone()];
        stores.extend(subject.reopen().await?);
        for (of, store) in stores.into_iter().enumerate() {
            store.migrate(&catalog_of(&[&ITEMS, &VALUES])?).await?;
            let page = store.query(&Query::of(&VALUES), Freshness::Linearizable).await?;
            let keys = [Key::new(&VALUES, "a"), Key::new(&VALUES, "b")];
            let read = store.get(&keys, Freshness::Linearizable).await?.into_iter().flatten();
            let found: Vec<_> = page.items.into_iter().map(|row| row.stored).chain(read).collect();
            ensure_eq!(found.len(), 4);
            for stored in found {
                let found = Json::Object(Document::clone(&stored.document));
                ensure!(is_identical(&found, &document), "step {at}, store {of}: {found} is not {document}");
            }
        }
    }
    let result = parse(inner)?;
    let batch = Batch { result: result.clone(), ..s.batch()? };
    s.commit(batch.clone()).await?;
    let repeated = s.commit(batch).await?.result;
    ensure!(is_identical(&repeated, &result), "the result {repeated} of a repeated command is not {result}");
    Ok(())
}

pub(super) async fn random_documents_round_trip_unchanged(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let random = SimIds::new(7);
    let mut state = Document::new();
    s.put(&ITEMS, "a", json!({})).await?;
    for round in 0..40 {
        let after = into_document(
            json!({"any": random_value(&random, 4), "meta": {"k": random_value(&random, 2), "l": random_value(&random, 1)}}),
        );
        // Half of the rounds keep part of the previous document, so that differences are nested.
        let after = if round % 2 == 0 || state.is_empty() {
            after
        } else {
            let mut kept = state.clone();
            kept.insert("meta".to_owned(), after["meta"].clone());
            kept
        };
        s.change(&ITEMS, "a", after.clone().into()).await?;
        let found = s.document(&ITEMS, "a").await?;
        ensure!(json_equal(&found, &Json::Object(after.clone())), "round {round}: {found} is not {after:?}");
        state = after;
    }
    Ok(())
}

fn random_value(random: &SimIds, depth: usize) -> Json {
    const TEXTS: [&str; 8] = ["", "a", "$a", "a.b", "\u{0}", "é", "🦀", "0"];
    let text = || TEXTS[random.below(TEXTS.len())];
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Json::Null,
        1 => (random.below(2) == 0).into(),
        2 => (random.below(1_000) as i64 - 500).into(),
        3 => ((random.below(1_000_000) as f64 - 500_000.0) / 1024.0).into(),
        4 => text().into(),
        5 => (0..random.below(6)).map(|_| random_value(random, depth - 1)).collect(),
        // Not every backend can store a key with NUL. Texts cover NUL.
        _ => Json::Object(
            (0..random.below(4)).map(|_| (text().replace('\0', "nul"), random_value(random, depth - 1))).collect(),
        ),
    }
}
