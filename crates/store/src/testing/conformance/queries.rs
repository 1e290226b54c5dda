//! Filters, sort orders, pages, and aggregates over documents.

use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Accumulator, Aggregate, Collection, Direction, Field, Filter, Group, Index, Query};
use runstate_value::time::Millis;
use runstate_value::{Document, Json, sort_by, words};
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, catalog_of, code};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::eval::matches;
use crate::{Freshness, StoreError};

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
    let queries = [
        Query::of(&ITEMS),
        Query::of(&ITEMS).sort("n", Descending),
        Query::of(&ITEMS).eq("name", "x").sort("n", Descending),
        Query::of(&ITEMS).eq("name", "x").sort("n", Ascending),
        Query::of(&ITEMS).eq("name", "x"),
        Query::of(&ITEMS).sort("x", Ascending).sort("n", Descending),
        Query::of(&ITEMS).filter(Filter::Gte("x".to_owned(), json!(1))).sort("name", Descending),
    ];
    for all in queries {
        let expected = s.ids(&all).await?;
        for limit in [1, 5, 8, 24, 25, 26] {
            let mut query = all.clone().limit(limit);
            let mut found = Vec::new();
            loop {
                let page = s.store.query(&query, Freshness::Linearizable).await?;
                ensure!(page.items.len() <= limit as usize, "a page of {} rows, asked for {limit}", page.items.len());
                ensure!(page.next.is_none() || !page.items.is_empty(), "an empty page with a cursor");
                found.extend(page.items.iter().map(|row| row.id.to_string()));
                query = query.after(page.next);
                if query.cursor.is_none() {
                    break;
                }
            }
            ensure!(found == expected, "pages of {limit} of {all:?} return {found:?}, not {expected:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_survives_writes(subject: &Subject) -> Verdict {
    let documents = ["a", "b", "c", "d", "e", "f"].map(|id| (id, json!({"name": "x", "n": 1})));
    let s = fixture_with_documents(subject, &documents).await?;
    let query = Query::of(&ITEMS).eq("name", "x").sort("n", Descending).limit(3);
    let first = s.store.query(&query, Freshness::Linearizable).await?;
    ensure_eq!(first.items.iter().map(|row| &*row.id).collect::<String>(), "abc");
    // The row at the cursor is deleted, a row is inserted before it, and a row after it changes its position.
    let batch = s.batch()?.delete(&ITEMS, "c").put(&ITEMS, "aa", json!({"name": "x", "n": 1}));
    s.commit(batch.put(&ITEMS, "e", json!({"name": "x", "n": 2})).put(&ITEMS, "g", json!({"name": "x", "n": 0})))
        .await?;
    let later = s.ids(&query.clone().limit(10).after(first.next)).await?.concat();
    ensure_eq!(later, "dfg");
    Ok(())
}

pub(super) async fn a_projection_returns_the_requested_fields(subject: &Subject) -> Verdict {
    let s = fixture_with_documents(subject, &[("a", json!({"n": 1, "name": "x", "meta": {"k": 1, "l": 2}}))]).await?;
    let mut query = Query::of(&ITEMS).eq("name", "x").sort("n", Ascending);
    query.projection = vec!["meta".to_owned(), "cost".to_owned()];
    let page = s.store.query(&query, Freshness::Linearizable).await?;
    let rows: Vec<Json> = page.items.iter().map(|row| Json::Object((*row.stored.document).clone())).collect();
    ensure_eq!(rows, [json!({"meta": {"k": 1, "l": 2}})]);
    let revisions: Vec<_> = page.items.into_iter().map(|row| row.stored.revision).collect();
    ensure_eq!(revisions, [s.revision(&ITEMS, "a").await?]);
    Ok(())
}

pub(super) async fn invalid_queries_are_refused(subject: &Subject) -> Verdict {
    const STRANGE: Collection = Collection::new("conform.strange", 1);
    let s = fixture_with_documents(subject, &[("a", json!({"n": 1})), ("b", json!({"n": 2}))]).await?;
    ensure_eq!(code(&s.store.query(&Query::of(&STRANGE), Freshness::Linearizable).await), "invalid");
    let page = s.store.query(&Query::of(&ITEMS).sort("n", Ascending).limit(1), Freshness::Linearizable).await?;
    ensure!(page.next.is_some(), "a page without a cursor");
    let of_another_order = Query::of(&ITEMS).sort("n", Descending).limit(1).after(page.next);
    ensure_eq!(code(&s.store.query(&of_another_order, Freshness::Linearizable).await), "invalid");
    for cursor in ["", "x", "💥"] {
        let query = Query::of(&ITEMS).sort("n", Ascending).after(Some(cursor.to_owned()));
        ensure_eq!((code(&s.store.query(&query, Freshness::Linearizable).await), cursor), ("invalid", cursor));
    }
    let page = s.store.query(&Query::of(&ITEMS).limit(1), Freshness::Linearizable).await?;
    let other = Query::of(&ITEMS).sort("n", Ascending).after(page.next);
    ensure_eq!(code(&s.store.query(&other, Freshness::Linearizable).await), "invalid");
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
            // The only letter beyond ASCII that becomes an ASCII letter in lower case.
            ("e", json!({"name": "290 \u{212a}elvin"})),
        ],
    )
    .await?;
    let search = |words: &str| Query::of(&ITEMS).filter(Filter::Text("name".to_owned(), words.to_owned()));
    if !s.store.capabilities().text {
        ensure_eq!(code(&s.store.query(&search("quick"), Freshness::Linearizable).await), "unsupported");
        return Ok(());
    }
    for (words, expected) in
        [("quick", "ab"), ("BROWN quick", "ab"), ("fox brown", "a"), ("äpfel", "c"), ("kelvin", "e"), ("quic", "")]
    {
        ensure_eq!((words, s.ids(&search(words)).await?.concat()), (words, expected.to_owned()));
    }
    Ok(())
}

/// Words that text searches of databases split, fold, shorten or leave out, each in its own way.
const AWKWARD_TEXTS: [&str; 30] = [
    "the",
    "The running RUNS",
    "run",
    "foo_bar foo-bar",
    "foobar",
    "don't",
    "dont",
    "O\u{2019}Brien",
    "caf\u{e9}",
    "cafe\u{301}",
    "cafe",
    "\u{130}stanbul",
    "istanbul",
    "I\u{131}k",
    "stra\u{df}e STRASSE",
    "\u{3a3}\u{3a3} \u{3c3}\u{3c2}",
    "\u{6771}\u{4eac}",
    "\u{6771} \u{4eac}\u{90fd}",
    "\u{ac00}\u{b098}",
    "\u{1f980}crab",
    "a\u{1f469}\u{200d}\u{1f4bb}b",
    "x\u{b2} \u{2163} \u{bd}",
    "\u{2b0}\u{2b9}\u{30fc}",
    "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}",
    "\u{645}\u{64f}\u{62d}\u{645}\u{62f}",
    "\u{212a}elvin",
    "-minus \"quoted phrase\"",
    "v1.2.3 #42 $text",
    "\u{fb01}n",
    "e\u{30a}\u{327}",
];

pub(super) async fn a_text_index_over_words_finds_every_match(subject: &Subject) -> Verdict {
    /// Texts as words.
    const TEXTS: Collection = Collection::new("conform.texts", 1)
        .fields(&[Field::text("words").words(), Field::text("more").words().optional(), Field::timestamp("at")])
        .indexes(&[Index::text(&[("words", Ascending), ("more", Ascending)])]);
    let s = ConformanceFixture::new(subject).await?;
    if !s.store.capabilities().text {
        return Ok(());
    }
    s.store.migrate(&catalog_of(&[&ITEMS, &TEXTS])?).await?;
    // Words in lower case may contain what separates words, so they are split again.
    let normal = |text: &str| words(&words(text).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(" ");
    let pick = |n: usize| normal(AWKWARD_TEXTS[n % AWKWARD_TEXTS.len()]);
    let mut documents = Vec::new();
    for n in 0..1_000 {
        let words = format!("{} {} n{}", pick(n), pick(n * n / 7), n % 10);
        let mut document = json!({"words": normal(&words), "at": n % 50});
        if n % 3 == 0 {
            document["more"] = pick(n / 30).into();
        }
        documents.push((format!("{n:04}"), document));
    }
    for part in documents.chunks(250) {
        let batch = part.iter().fold(s.batch()?, |batch, (id, document)| batch.put(&TEXTS, id, document.clone()));
        s.commit(batch).await?;
    }
    let (old, not) = (documents[0].clone(), |filter: Filter| Filter::Not(Box::new(filter)));
    let refused = s.batch()?.put(&TEXTS, "x", json!({"words": "Not normal", "at": 0}));
    ensure_eq!(code(&s.commit(refused).await), "invalid");
    let text = |path: &str, text: &str| Filter::Text(path.to_owned(), text.to_owned());
    let mut filters: Vec<Filter> = AWKWARD_TEXTS.iter().map(|words| text("words", &normal(words))).collect();
    filters.extend(AWKWARD_TEXTS.iter().map(|words| text("words", words)));
    filters.extend(AWKWARD_TEXTS.iter().map(|words| text("more", words)));
    filters.extend([
        text("words", ""),
        text("words", "n3 missing"),
        Filter::And(vec![text("words", "run n3"), text("more", "the"), Filter::Lt("at".to_owned(), json!(40))]),
        Filter::Or(vec![text("words", "run"), text("more", "cafe")]),
        Filter::And(vec![text("words", "n7"), not(text("words", "the"))]),
        Filter::And(vec![Filter::And(vec![text("words", "the")]), Filter::Eq("at".to_owned(), json!(0))]),
    ]);
    for (n, filter) in filters.into_iter().enumerate() {
        let mut expected: Vec<(&Json, &str)> = Vec::new();
        for (id, document) in &documents {
            if document.as_object().is_some_and(|document| matches(&TEXTS, &filter, document)) {
                expected.push((&document["at"], id));
            }
        }
        sort_by(&mut expected, |(a, x), (b, y)| b.as_i64().cmp(&a.as_i64()).then_with(|| x.cmp(y)));
        let expected: Vec<String> = expected.into_iter().map(|(_, id)| id.to_owned()).collect();
        let query = Query::of(&TEXTS).filter(filter).sort("at", Descending);
        ensure_eq!((&query.filter, s.ids(&query).await?), (&query.filter, expected.clone()));
        if n % 8 > 0 {
            continue;
        }
        // Page by page.
        let (mut query, mut found) = (query.limit(7), Vec::new());
        while found.len() < 30 {
            let page = s.store.query(&query, Freshness::Linearizable).await?;
            found.extend(page.items.iter().map(|row| row.id.to_string()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        ensure_eq!((&query.filter, &found[..]), (&query.filter, &expected[..found.len().min(expected.len())]));
    }
    // A document that is changed or deleted has its new words only.
    let (id, mut document) = old;
    document["words"] = "changed".into();
    s.change(&TEXTS, &id, document).await?;
    let changed = Query::of(&TEXTS).filter(text("words", "changed"));
    ensure_eq!(s.ids(&changed).await?.concat(), id);
    s.delete(&TEXTS, &id).await?;
    ensure_eq!(s.ids(&changed).await?, [] as [String; 0]);
    Ok(())
}

fn aggregate(filter: Filter, group_by: Vec<Group>, accumulators: &[(&str, Accumulator)]) -> Aggregate {
    let accumulators = accumulators.iter().map(|(name, a)| ((*name).to_owned(), a.clone())).collect();
    Aggregate { collection: ITEMS.name.to_owned(), filter, group_by, accumulators }
}

/// The result; `None` if the store does not support aggregates and returns the typed error.
async fn run_aggregate(
    s: &ConformanceFixture,
    aggregate: &Aggregate,
) -> Result<Option<Vec<Document>>, super::CaseFailure> {
    let result = s.store.aggregate(aggregate).await;
    if !s.store.capabilities().aggregate {
        ensure!(
            matches!(result, Err(StoreError::Unsupported { .. })),
            "an unsupported aggregate returned {}",
            code(&result)
        );
        return Ok(None);
    }
    Ok(Some(result?))
}

/// Compares doubles with a relative tolerance of 1e-9.
fn nearly_equal(found: &Json, expected: &Json) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => found == expected,
    }
}

fn same_rows(found: &[Document], expected: &Json) -> bool {
    let Json::Array(expected) = expected else { return false };
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            expected.as_object().is_some_and(|expected| {
                found.len() == expected.len()
                    && expected
                        .iter()
                        .all(|(name, value)| found.get(name).is_some_and(|found| nearly_equal(found, value)))
            })
        })
}

async fn fixture_with_amounts(subject: &Subject) -> Result<ConformanceFixture, super::CaseFailure> {
    let s = ConformanceFixture::new(subject).await?;
    let documents = [
        json!({"name": "x", "n": 10, "x": 0.5, "at": 1_500, "cost": "0.10"}),
        json!({"name": "x", "n": 2, "x": 1.5, "at": 1_999, "cost": "0.20"}),
        json!({"name": "y", "n": 7, "at": 2_000, "cost": "9"}),
        json!({"name": "y", "any": "no number", "at": -1, "cost": "10.50"}),
        json!({"n": 1, "any": 3, "x": -2.0}),
    ];
    let batch = s.batch()?;
    let batch = documents.into_iter().zip(0..).fold(batch, |batch, (d, i)| batch.put(&ITEMS, &format!("{i}"), d));
    s.commit(batch).await?;
    Ok(s)
}

pub(super) async fn aggregates_are_computed_over_all_documents(subject: &Subject) -> Verdict {
    use Accumulator::{Avg, Count, CountIf, Max, Min, Percentile, Sum};
    let s = fixture_with_amounts(subject).await?;
    let n = || "n".to_owned();
    let all = [
        ("count", Count),
        ("large", CountIf(Filter::Gt(n(), json!(5)))),
        ("sum", Sum(n())),
        ("avg", Avg(n())),
        ("min", Min(n())),
        ("max", Max(n())),
        ("median", Percentile(n(), 50.0)),
        ("p75", Percentile(n(), 75.0)),
        ("p76", Percentile(n(), 76.0)),
        ("x", Sum("x".to_owned())),
        ("any", Max("any".to_owned())),
        ("missing", Avg("missing".to_owned())),
    ];
    let expected = json!([{
        "count": 5, "large": 2, "sum": 20, "avg": 5.0, "min": 1, "max": 10, "median": 2, "p75": 7, "p76": 10, "x": 0.0,
        "any": 3, "missing": null,
    }]);
    let Some(found) = run_aggregate(&s, &aggregate(Filter::All, vec![], &all)).await? else { return Ok(()) };
    ensure!(same_rows(&found, &expected), "found {found:?}, expected {expected}");
    let nothing = Filter::Eq("name".to_owned(), json!("z"));
    let some = [("count", Count), ("sum", Sum(n())), ("min", Min(n())), ("p", Percentile(n(), 50.0))];
    let found = run_aggregate(&s, &aggregate(nothing.clone(), vec![], &some)).await?.unwrap_or_default();
    let expected = json!([{"count": 0, "sum": 0, "min": null, "p": null}]);
    ensure!(same_rows(&found, &expected), "over nothing found {found:?}, expected {expected}");
    let grouped = aggregate(nothing, vec![Group::Field("name".to_owned())], &some);
    ensure_eq!(run_aggregate(&s, &grouped).await?.unwrap_or_default(), Vec::<Document>::new());
    Ok(())
}

pub(super) async fn aggregates_are_computed_by_group(subject: &Subject) -> Verdict {
    let s = fixture_with_amounts(subject).await?;
    let accumulators = [("count", Accumulator::Count), ("sum", Accumulator::Sum("n".to_owned()))];
    let name = || Group::Field("name".to_owned());
    let second = || Group::Bucket("at".to_owned(), Millis::seconds(1));
    let by_name = json!([
        {"name": null, "count": 1, "sum": 1}, {"name": "x", "count": 2, "sum": 12}, {"name": "y", "count": 2, "sum": 7},
    ]);
    let by_second = json!([
        {"at": null, "count": 1, "sum": 1}, {"at": -1_000, "count": 1, "sum": 0}, {"at": 1_000, "count": 2, "sum": 12},
        {"at": 2_000, "count": 1, "sum": 7},
    ]);
    let by_both = json!([
        {"name": "x", "at": 1_000, "count": 2, "sum": 12}, {"name": "y", "at": -1_000, "count": 1, "sum": 0},
        {"name": "y", "at": 2_000, "count": 1, "sum": 7},
    ]);
    let named = Filter::Exists("name".to_owned(), true);
    for (filter, group_by, expected) in [
        (Filter::All, vec![name()], by_name),
        (Filter::All, vec![second()], by_second),
        (named, vec![name(), second()], by_both),
    ] {
        let query = aggregate(filter, group_by, &accumulators);
        let Some(found) = run_aggregate(&s, &query).await? else { return Ok(()) };
        ensure!(same_rows(&found, &expected), "{:?} gives {found:?}, not {expected}", query.group_by);
    }
    Ok(())
}

pub(super) async fn decimals_are_exact(subject: &Subject) -> Verdict {
    use Accumulator::{Max, Min, Percentile, Sum};
    let s = fixture_with_amounts(subject).await?;
    let cost = || "cost".to_owned();
    let accumulators =
        [("sum", Sum(cost())), ("min", Min(cost())), ("max", Max(cost())), ("p", Percentile(cost(), 75.0))];
    let Some(found) = run_aggregate(&s, &aggregate(Filter::All, vec![], &accumulators)).await? else { return Ok(()) };
    let expected = json!({"sum": "19.8", "min": "0.1", "max": "10.5", "p": "9"});
    ensure_eq!(found.into_iter().map(Json::Object).collect::<Vec<_>>(), [expected]);
    Ok(())
}
