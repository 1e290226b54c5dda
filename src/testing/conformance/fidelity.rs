//! Values come back as they went in.

use serde_json::json;

use super::scene::{ITEMS, Scene, object};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::testing::SimIds;
use crate::value::{Document, Json};

/// `1` and `1.0` are one number in a page's database, and zero has no sign.
fn alike(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

pub(super) async fn values_come_back_as_they_went(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
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
    let values = Json::Object([numbers, texts, keys, kinds].into_iter().flat_map(object).collect());
    s.put(&ITEMS, "inside", json!({"any": values.clone()})).await?;
    let found = s.document(&ITEMS, "inside").await?;
    for (name, value) in &object(values.clone()) {
        let back = found["any"].get(name).unwrap_or(&Json::Null);
        ensure!(alike(back, value), "`{name}` went in as {value} and came back as {back}");
    }
    ensure!(alike(&found["any"], &values), "something came back that never went in");
    // What came back may go in again: a large float is no integer now.
    s.put(&ITEMS, "again", found).await?;

    // The same as fields of the document, where their names may stand at the top; what is `id` is a field like any other.
    let mut fields = object(values);
    fields.retain(|name, _| !name.is_empty() && !name.starts_with('$') && !name.contains('.'));
    fields.extend(object(json!({"id": "mine", "key": "k", "value": "v", "_ids": "i", "rev": 1, "doc": {}})));
    s.put(&ITEMS, "on top", fields.clone().into()).await?;
    let found = s.document(&ITEMS, "on top").await?;
    ensure!(alike(&found, &Json::Object(fields)), "fields changed: {found}");
    Ok(())
}

pub(super) async fn differences_come_back_as_they_went(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let long: Vec<Json> = (0..20).map(|i| json!({"i": i})).collect();
    let mut state = json!({"any": {"long": long, "gone": 1, "a.b": {"$c": 1}, "": 0}, "n": 1, "name": "x"});
    s.put(&ITEMS, "a", state.clone()).await?;
    let steps: [fn(&mut Json); 9] = [
        |d| d["any"]["long"][7]["i"] = json!("changed"),
        |d| d["any"]["long"][3] = json!(null),
        |d| d["any"]["long"].as_array_mut().into_iter().for_each(|list| list.push(json!([1, 2]))),
        |d| drop(d["any"].as_object_mut().and_then(|any| any.remove("gone"))),
        |d| d["any"]["a.b"]["$c"] = json!({"$": ".", "": [0]}),
        |d| d["any"][""] = json!({}),
        |d| drop(d.as_object_mut().and_then(|d| d.remove("n"))),
        |d| d["any"]["long"] = json!([]),
        |d| *d = json!({"n": 5, "tags": ["t"]}),
    ];
    for (i, step) in steps.iter().enumerate() {
        step(&mut state);
        s.change(&ITEMS, "a", state.clone()).await?;
        let found = s.document(&ITEMS, "a").await?;
        ensure!(alike(&found, &state), "after step {i} the document is {found}, not {state}");
    }
    ensure_eq!(s.revision(&ITEMS, "a").await?.writes(), 10);
    Ok(())
}

pub(super) async fn random_documents_come_back(subject: &Subject) -> Verdict {
    let s = Scene::of(subject).await?;
    let random = SimIds::new(7);
    let mut state = Document::new();
    s.put(&ITEMS, "a", json!({})).await?;
    for round in 0..40 {
        let after = object(json!({"any": value(&random, 4), "meta": {"k": value(&random, 2), "l": value(&random, 1)}}));
        // Half of the rounds keep a part of what was there, so that differences reach inside.
        let after = if round % 2 == 0 || state.is_empty() {
            after
        } else {
            let mut kept = state.clone();
            kept.insert("meta".to_owned(), after["meta"].clone());
            kept
        };
        s.change(&ITEMS, "a", after.clone().into()).await?;
        let found = s.document(&ITEMS, "a").await?;
        ensure!(alike(&found, &Json::Object(after.clone())), "round {round}: {found} is not {after:?}");
        state = after;
    }
    Ok(())
}

fn value(random: &SimIds, depth: usize) -> Json {
    const TEXTS: [&str; 8] = ["", "a", "$a", "a.b", "\u{0}", "é", "🦀", "0"];
    let text = || TEXTS[random.below(TEXTS.len())];
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Json::Null,
        1 => (random.below(2) == 0).into(),
        2 => (random.below(1_000) as i64 - 500).into(),
        3 => ((random.below(1_000_000) as f64 - 500_000.0) / 1024.0).into(),
        4 => text().into(),
        5 => (0..random.below(6)).map(|_| value(random, depth - 1)).collect(),
        // A key with NUL is beyond what every backend can hold; texts carry it.
        _ => Json::Object(
            (0..random.below(4)).map(|_| (text().replace('\0', "nul"), value(random, depth - 1))).collect(),
        ),
    }
}
