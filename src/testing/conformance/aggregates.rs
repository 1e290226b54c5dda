//! Aggregates over documents.

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, code};
use super::{Subject, Verdict, ensure, ensure_eq};
use crate::schema::{Accumulator, Aggregate, Filter, Group};
use crate::store::StoreError;
use crate::time::Millis;
use crate::value::{Document, Json};

fn aggregate(filter: Filter, group_by: Vec<Group>, accumulators: &[(&str, Accumulator)]) -> Aggregate {
    let accumulators = accumulators.iter().map(|(name, a)| ((*name).to_owned(), a.clone())).collect();
    Aggregate { collection: ITEMS.name.to_owned(), filter, group_by, accumulators }
}

/// The result; `None` if the store does not support aggregates and returns the typed error.
async fn run_aggregate(
    s: &ConformanceFixture,
    question: &Aggregate,
) -> Result<Option<Vec<Document>>, super::CaseFailure> {
    let answer = s.store.aggregate(question).await;
    if !s.store.capabilities().aggregate {
        ensure!(
            matches!(answer, Err(StoreError::Unsupported { .. })),
            "an unsupported aggregate returned {}",
            code(&answer)
        );
        return Ok(None);
    }
    Ok(Some(answer?))
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

async fn fixture_with_documents(subject: &Subject) -> Result<ConformanceFixture, super::CaseFailure> {
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
    let s = fixture_with_documents(subject).await?;
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
    ensure_eq!(run_aggregate(&s, &grouped).await?.unwrap_or_default(), Vec::new());
    Ok(())
}

pub(super) async fn aggregates_are_computed_by_group(subject: &Subject) -> Verdict {
    let s = fixture_with_documents(subject).await?;
    let asked = [("count", Accumulator::Count), ("sum", Accumulator::Sum("n".to_owned()))];
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
        let question = aggregate(filter, group_by, &asked);
        let Some(found) = run_aggregate(&s, &question).await? else { return Ok(()) };
        ensure!(same_rows(&found, &expected), "{:?} gives {found:?}, not {expected}", question.group_by);
    }
    Ok(())
}

pub(super) async fn decimals_are_exact(subject: &Subject) -> Verdict {
    use Accumulator::{Max, Min, Percentile, Sum};
    let s = fixture_with_documents(subject).await?;
    let cost = || "cost".to_owned();
    let asked = [("sum", Sum(cost())), ("min", Min(cost())), ("max", Max(cost())), ("p", Percentile(cost(), 75.0))];
    let Some(found) = run_aggregate(&s, &aggregate(Filter::All, vec![], &asked)).await? else { return Ok(()) };
    let expected = json!({"sum": "19.8", "min": "0.1", "max": "10.5", "p": "9"});
    ensure_eq!(found.into_iter().map(Json::Object).collect::<Vec<_>>(), [expected]);
    Ok(())
}
