//! Filters, sort orders, and pages.

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, code};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::schema::Direction::{self, Ascending, Descending};
use crate::schema::{Collection, Filter, Query};
use crate::value::Json;

async fn fixture_with_documents(
    subject: &Subject,
    documents: &[(&str, Json)],
) -> Result<ConformanceFixture, super::CaseFailure> {
    let s = ConformanceFixture::new(subject).await?;
    let batch = s.batch()?;
    let batch = documents.iter().fold(batch, |batch, (id, document)| batch.put(&ITEMS, id, document.clone()));
    s.commit(batch).await?;
    Ok(s)
}

pub(super) async fn filters_match_the_reference_results(subject: &Subject) -> Verdict {
    use Filter::{All, And, Contains, Eq, Exists, Gt, Gte, In, Lt, Lte, Ne, Not, Or};
    let s = fixture_with_documents(
        subject,
        &[
            ("a", json!({"n": 1, "name": "x", "any": 1, "tags": ["red", 1], "cost": "1.50"})),
            ("b", json!({"n": 2, "name": "y", "any": "1", "tags": [], "cost": "10"})),
            ("c", json!({"n": 3, "name": "y", "any": null, "meta": {"k": {"l": [1, {"m": 2}]}}, "cost": "9.99"})),
            ("d", json!({"n": 4, "name": "Y", "any": 1.0, "tags": ["red", "blue"], "meta": {"k": 1}})),
            ("e", json!({"name": "yy", "any": [1], "tags": null, "at": 5, "x": -0.5})),
            ("f", json!({"n": 0, "any": true, "at": 7, "x": 2.5})),
        ],
    )
    .await?;
    let p = str::to_owned;
    let table: Vec<(Filter, &str)> = vec![
        (All, "abcdef"),
        (Eq(p("n"), json!(2)), "b"),
        (Eq(p("n"), json!(2.0)), "b"),
        (Eq(p("any"), json!(1)), "ad"),
        (Eq(p("any"), json!("1")), "b"),
        (Eq(p("any"), Json::Null), "c"),
        (Eq(p("n"), Json::Null), "e"),
        (Eq(p("any"), json!([1])), "e"),
        (Eq(p("name"), json!("y")), "bc"),
        (Eq(p("meta.k"), json!(1)), "d"),
        (Eq(p("cost"), json!("1.5")), "a"),
        (Ne(p("n"), json!(2)), "acdef"),
        (Ne(p("n"), Json::Null), "abcdf"),
        (In(p("n"), vec![json!(1), json!(3), json!(9)]), "ac"),
        (In(p("n"), vec![]), ""),
        (In(p("n"), vec![Json::Null, json!(0)]), "ef"),
        (Lt(p("n"), json!(2)), "af"),
        (Lte(p("n"), json!(2)), "abf"),
        (Gt(p("n"), json!(2)), "cd"),
        (Gte(p("n"), json!(2)), "bcd"),
        (Gt(p("n"), json!("")), ""),
        (Lt(p("any"), json!(2)), "ad"),
        (Gte(p("any"), Json::Null), "c"),
        (Gt(p("any"), json!(false)), "f"),
        (Gt(p("name"), json!("Y")), "abce"),
        (Lt(p("x"), json!(0)), "e"),
        (Lt(p("cost"), json!("9.995")), "ac"),
        (Gte(p("cost"), json!("9.990")), "bc"),
        (Lte(p("at"), json!(6)), "e"),
        (Exists(p("n"), true), "abcdf"),
        (Exists(p("n"), false), "e"),
        (Exists(p("any"), true), "abcdef"),
        (Exists(p("meta.k.l"), true), "c"),
        (Contains(p("tags"), json!("red")), "ad"),
        (Contains(p("tags"), json!(1.0)), "a"),
        (Contains(p("tags"), Json::Null), "e"),
        (Contains(p("meta"), json!({"k": {"l": {"m": 2}}})), "c"),
        (Contains(p("meta"), json!({})), "cd"),
        (Contains(p("any"), json!(1)), "ade"),
        (And(vec![]), "abcdef"),
        (Or(vec![]), ""),
        (And(vec![Eq(p("name"), json!("y")), Gt(p("n"), json!(2))]), "c"),
        (And(vec![Gte(p("n"), json!(1)), Lt(p("n"), json!(3))]), "ab"),
        (Or(vec![Eq(p("n"), json!(4)), Eq(p("name"), json!("x"))]), "ad"),
        (Not(Box::new(Lt(p("n"), json!(2)))), "bcde"),
        (Not(Box::new(Or(vec![Exists(p("n"), false), Eq(p("any"), json!(1))]))), "bcf"),
    ];
    for (filter, expected) in table {
        let found = s.ids(&Query::of(&ITEMS).filter(filter.clone())).await?.concat();
        ensure!(found == expected, "{filter:?} finds {found:?}, not {expected:?}");
    }
    Ok(())
}

pub(super) async fn value_kinds_have_one_sort_order(subject: &Subject) -> Verdict {
    let s = fixture_with_documents(
        subject,
        &[
            ("k", json!({"any": {"a": 2}})),
            ("j", json!({"any": {"a": 1, "b": 0}})),
            ("i", json!({"any": [1, 2]})),
            ("h", json!({"any": [1]})),
            ("g", json!({"any": "b"})),
            ("f", json!({"any": "B"})),
            ("e", json!({"any": 10})),
            ("d", json!({"any": -1.5})),
            ("c", json!({"any": true})),
            ("b", json!({"any": false})),
            ("a2", json!({"any": null})),
            ("a1", json!({})),
        ],
    )
    .await?;
    let up = ["a1", "a2", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    ensure_eq!(s.ids(&Query::of(&ITEMS).sort("any", Ascending)).await?, up);
    // Equal values are in ascending order of id in this direction too.
    let down = ["k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a1", "a2"];
    ensure_eq!(s.ids(&Query::of(&ITEMS).sort("any", Descending)).await?, down);
    ensure_eq!(s.ids(&Query::of(&ITEMS).sort("undeclared", Descending)).await?, up);
    Ok(())
}

pub(super) async fn several_fields_sort_in_both_directions(subject: &Subject) -> Verdict {
    let mut documents = Vec::new();
    for (i, id) in ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().enumerate() {
        let (name, cost) = (["x", "y"][i % 2], ["9", "10", "9.0"][i % 3]);
        documents.push((id, json!({"name": name, "n": i / 3, "x": i % 3, "cost": cost})));
    }
    let s = fixture_with_documents(subject, &documents).await?;
    let table: [(&[(&str, Direction)], &str); 9] = [
        (&[("name", Ascending), ("n", Descending)], "geachdfb"),
        (&[("name", Descending), ("n", Ascending)], "bdfhaceg"),
        (&[("name", Ascending), ("n", Ascending)], "acegbdfh"),
        (&[("name", Ascending)], "acegbdfh"),
        (&[("name", Descending)], "bdfhaceg"),
        (&[("n", Descending), ("name", Ascending)], "ghedfacb"),
        (&[("x", Ascending), ("name", Descending)], "dagbhefc"),
        (&[("cost", Ascending)], "acdfgbeh"),
        (&[("cost", Descending), ("x", Descending)], "behcfadg"),
    ];
    for (sort, expected) in table {
        let query = sort.iter().fold(Query::of(&ITEMS), |query, (field, direction)| query.sort(field, *direction));
        let found = s.ids(&query).await?.concat();
        ensure!(found == expected, "{sort:?} gives {found}, not {expected}");
    }
    let query = Query::of(&ITEMS).eq("name", "x").sort("name", Ascending).sort("n", Ascending);
    ensure_eq!(s.ids(&query).await?.concat(), "aceg");
    Ok(())
}

pub(super) async fn pages_return_every_row_once(subject: &Subject) -> Verdict {
    let ids: Vec<String> = (0..25).map(|i| format!("{i:02}")).collect();
    let documents: Vec<(&str, Json)> =
        ids.iter().enumerate().map(|(i, id)| (id.as_str(), json!({"name": "x", "n": i / 4, "x": i % 3}))).collect();
    let s = fixture_with_documents(subject, &documents).await?;
    let questions = [
        Query::of(&ITEMS),
        Query::of(&ITEMS).sort("n", Descending),
        Query::of(&ITEMS).eq("name", "x").sort("n", Descending),
        Query::of(&ITEMS).eq("name", "x").sort("n", Ascending),
        Query::of(&ITEMS).eq("name", "x"),
        Query::of(&ITEMS).sort("x", Ascending).sort("n", Descending),
        Query::of(&ITEMS).filter(Filter::Gte("x".to_owned(), json!(1))).sort("name", Descending),
    ];
    for question in questions {
        let whole = s.ids(&question).await?;
        for limit in [1, 5, 8, 24, 25, 26] {
            let mut query = question.clone().limit(limit);
            let mut walked = Vec::new();
            loop {
                let page = s.store.query(&query).await?;
                ensure!(page.items.len() <= limit as usize, "a page of {} rows, asked for {limit}", page.items.len());
                ensure!(page.next.is_none() || !page.items.is_empty(), "an empty page with a cursor");
                walked.extend(page.items.iter().map(|row| row.id.to_string()));
                query = query.after(page.next);
                if query.cursor.is_none() {
                    break;
                }
            }
            ensure!(walked == whole, "pages of {limit} of {question:?} return {walked:?}, not {whole:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_survives_writes(subject: &Subject) -> Verdict {
    let documents = ["a", "b", "c", "d", "e", "f"].map(|id| (id, json!({"name": "x", "n": 1})));
    let s = fixture_with_documents(subject, &documents).await?;
    let query = Query::of(&ITEMS).eq("name", "x").sort("n", Descending).limit(3);
    let first = s.store.query(&query).await?;
    ensure_eq!(first.items.iter().map(|row| &*row.id).collect::<String>(), "abc");
    // The row at the cursor is deleted, a row is inserted before it, and a row after it changes its position.
    let batch = s.batch()?.delete(&ITEMS, "c").put(&ITEMS, "aa", json!({"name": "x", "n": 1}));
    s.commit(batch.put(&ITEMS, "e", json!({"name": "x", "n": 2})).put(&ITEMS, "g", json!({"name": "x", "n": 0})))
        .await?;
    let rest = s.ids(&query.clone().limit(10).after(first.next)).await?.concat();
    ensure_eq!(rest, "dfg");
    Ok(())
}

pub(super) async fn a_projection_returns_the_requested_fields(subject: &Subject) -> Verdict {
    let s = fixture_with_documents(subject, &[("a", json!({"n": 1, "name": "x", "meta": {"k": 1, "l": 2}}))]).await?;
    let mut query = Query::of(&ITEMS).eq("name", "x").sort("n", Ascending);
    query.projection = vec!["meta".to_owned(), "cost".to_owned()];
    let page = s.store.query(&query).await?;
    let rows: Vec<Json> = page.items.iter().map(|row| Json::Object((*row.stored.document).clone())).collect();
    ensure_eq!(rows, [json!({"meta": {"k": 1, "l": 2}})]);
    let revisions: Vec<_> = page.items.into_iter().map(|row| row.stored.revision).collect();
    ensure_eq!(revisions, [s.revision(&ITEMS, "a").await?]);
    Ok(())
}

pub(super) async fn invalid_queries_are_refused(subject: &Subject) -> Verdict {
    const STRANGE: Collection = Collection::new("conform.strange", 1);
    let s = fixture_with_documents(subject, &[("a", json!({"n": 1})), ("b", json!({"n": 2}))]).await?;
    ensure_eq!(code(&s.store.query(&Query::of(&STRANGE)).await), "invalid");
    for cursor in ["", "x", "💥"] {
        let query = Query::of(&ITEMS).sort("n", Ascending).after(Some(cursor.to_owned()));
        ensure_eq!((code(&s.store.query(&query).await), cursor), ("invalid", cursor));
    }
    let page = s.store.query(&Query::of(&ITEMS).limit(1)).await?;
    let other = Query::of(&ITEMS).sort("n", Ascending).after(page.next);
    ensure_eq!(code(&s.store.query(&other).await), "invalid");
    Ok(())
}

pub(super) async fn text_search_finds_whole_words(subject: &Subject) -> Verdict {
    let s = fixture_with_documents(
        subject,
        &[
            ("a", json!({"name": "The quick, brown fox"})),
            ("b", json!({"name": "quick-brown"})),
            ("c", json!({"name": "QUICKLY browned Äpfel"})),
            ("d", json!({"n": 1})),
        ],
    )
    .await?;
    let asks = |words: &str| Query::of(&ITEMS).filter(Filter::Text("name".to_owned(), words.to_owned()));
    if !s.store.capabilities().text {
        ensure_eq!(code(&s.store.query(&asks("quick")).await), "unsupported");
        return Ok(());
    }
    for (words, expected) in [("quick", "ab"), ("BROWN quick", "ab"), ("fox brown", "a"), ("äpfel", "c"), ("quic", "")]
    {
        ensure_eq!((words, s.ids(&asks(words)).await?.concat()), (words, expected.to_owned()));
    }
    Ok(())
}
