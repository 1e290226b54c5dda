//! Aggregates over documents: groups and their accumulators.

use std::collections::BTreeMap;

use runstate_core::schema::{Accumulator, Aggregate, Collection, Direction, Group, Kind, keys, parse_decimal};
use runstate_value::time::Millis;
use runstate_value::{Document, Json, get, sort_by};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{invalid, matches};
use crate::StoreError;

/// An aggregation in progress. It keeps the values that the accumulators need, and no documents.
///
/// A row has the group values under their paths and the numbers under their names. Rows are in the order of the group
/// values. Without `group_by` there is exactly one row, even if no document matches.
pub struct Aggregation<'a> {
    collection: &'a Collection,
    aggregate: &'a Aggregate,
    groups: BTreeMap<Vec<u8>, GroupState>,
}

/// Computes `aggregate` over `documents`, which are all of `collection` in the order of their ids. Its filter is
/// applied here.
pub fn aggregate<'a>(
    collection: &Collection,
    aggregate: &Aggregate,
    documents: impl Iterator<Item = &'a Document>,
) -> Result<Vec<Document>, StoreError> {
    let mut aggregation = Aggregation::new(collection, aggregate)?;
    documents.for_each(|document| aggregation.add(document));
    aggregation.rows()
}

impl<'a> Aggregation<'a> {
    /// Starts the computation of `aggregate`.
    pub fn new(collection: &'a Collection, aggregate: &'a Aggregate) -> Result<Self, StoreError> {
        verify(collection, aggregate)?;
        let mut groups = BTreeMap::new();
        if aggregate.group_by.is_empty() {
            groups.insert(Vec::new(), GroupState::new(collection, aggregate, Vec::new()));
        }
        Ok(Self { collection, aggregate, groups })
    }

    /// Adds the next document, in the order of ids, if it matches the filter.
    pub fn add(&mut self, document: &Document) {
        let Self { collection, aggregate, groups } = self;
        if !matches(collection, &aggregate.filter, document) {
            return;
        }
        let values: Vec<(Kind, Json)> =
            aggregate.group_by.iter().map(|g| group_value(collection, g, document)).collect();
        let key =
            values.iter().flat_map(|(kind, value)| keys::encode_field(*kind, value, Direction::Ascending)).collect();
        let group = groups.entry(key).or_insert_with(|| {
            GroupState::new(collection, aggregate, values.into_iter().map(|(_, value)| value).collect())
        });
        for ((_, accumulator), state) in aggregate.accumulators.iter().zip(&mut group.states) {
            state.add(collection, accumulator, document);
        }
    }

    /// Returns the rows of the result.
    pub fn rows(self) -> Result<Vec<Document>, StoreError> {
        self.groups.into_values().map(|group| group.into_row(self.collection, self.aggregate)).collect()
    }
}

fn verify(collection: &Collection, aggregate: &Aggregate) -> Result<(), StoreError> {
    let mut names: Vec<&str> = aggregate.accumulators.iter().map(|(name, _)| name.as_str()).collect();
    for group in &aggregate.group_by {
        match group {
            Group::Bucket(path, Millis(span)) if *span <= 0 => {
                return Err(invalid(
                    collection,
                    format!("the bucket span of `{path}` is not positive; use 1 ms or more"),
                ));
            }
            Group::Field(path) | Group::Bucket(path, _) => names.push(path),
        }
    }
    sort_by(&mut names, Ord::cmp);
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(collection, format!("two columns of the result have the name `{}`", pair[0])));
    }
    let wrong = |p: &f64| !(0.0..=100.0).contains(p);
    if let Some((name, _)) =
        aggregate.accumulators.iter().find(|(_, a)| matches!(a, Accumulator::Percentile(_, p) if wrong(p)))
    {
        return Err(invalid(collection, format!("the percentile of `{name}` is not between 0 and 100")));
    }
    Ok(())
}

/// Returns the value of a group, and the kind by which it sorts.
fn group_value(collection: &Collection, group: &Group, document: &Document) -> (Kind, Json) {
    match group {
        Group::Field(path) => (collection.kind_of(path), get(document, path).cloned().unwrap_or_default()),
        Group::Bucket(path, Millis(span)) => {
            let at = get(document, path).and_then(Json::as_i64);
            (Kind::Timestamp, at.map_or(Json::Null, |at| (at - at.rem_euclid(*span)).into()))
        }
    }
}

struct GroupState {
    values: Vec<Json>,
    states: Vec<AccumulatorState>,
}

enum AccumulatorState {
    Count(u64),
    Values(NumericValues),
}

impl AccumulatorState {
    fn add(&mut self, collection: &Collection, accumulator: &Accumulator, document: &Document) {
        match (self, accumulator) {
            (AccumulatorState::Count(count), Accumulator::CountIf(filter)) => {
                *count += u64::from(matches(collection, filter, document));
            }
            (AccumulatorState::Count(count), _) => *count += 1,
            (AccumulatorState::Values(numbers), accumulator) => {
                if let Some(value) = accumulated_path(accumulator).and_then(|path| get(document, path)) {
                    numbers.add(value);
                }
            }
        }
    }
}

/// Returns the path that an accumulator reads.
fn accumulated_path(accumulator: &Accumulator) -> Option<&str> {
    match accumulator {
        Accumulator::Count | Accumulator::CountIf(_) => None,
        Accumulator::Sum(path)
        | Accumulator::Avg(path)
        | Accumulator::Min(path)
        | Accumulator::Max(path)
        | Accumulator::Percentile(path, _) => Some(path),
    }
}

impl GroupState {
    fn new(collection: &Collection, aggregate: &Aggregate, values: Vec<Json>) -> Self {
        let initial_state = |accumulator: &Accumulator| match accumulated_path(accumulator) {
            None => AccumulatorState::Count(0),
            Some(path) if collection.kind_of(path) == Kind::Decimal => {
                AccumulatorState::Values(NumericValues::Decimals(Vec::new()))
            }
            Some(_) => AccumulatorState::Values(NumericValues::Plain(Vec::new())),
        };
        Self {
            values,
            states: aggregate.accumulators.iter().map(|(_, accumulator)| initial_state(accumulator)).collect(),
        }
    }

    fn into_row(self, collection: &Collection, aggregate: &Aggregate) -> Result<Document, StoreError> {
        let paths = aggregate.group_by.iter().map(|group| match group {
            Group::Field(path) | Group::Bucket(path, _) => path.clone(),
        });
        let mut row = Document::new();
        row.extend(paths.zip(self.values));
        for ((name, accumulator), state) in aggregate.accumulators.iter().zip(self.states) {
            let number = match state {
                AccumulatorState::Count(count) => count.into(),
                AccumulatorState::Values(numbers) => numbers.finish(collection, accumulator)?,
            };
            row.insert(name.clone(), number);
        }
        Ok(row)
    }
}

enum NumericValues {
    Decimals(Vec<Decimal>),
    Plain(Vec<serde_json::Number>),
}

impl NumericValues {
    /// Adds a value, if it is a number.
    fn add(&mut self, value: &Json) {
        match self {
            NumericValues::Decimals(all) => all.extend(value.as_str().and_then(parse_decimal)),
            NumericValues::Plain(all) => all.extend(value.as_number().cloned()),
        }
    }

    fn finish(self, collection: &Collection, accumulator: &Accumulator) -> Result<Json, StoreError> {
        Ok(match accumulator {
            Accumulator::Sum(path) => {
                let sum = self.sum();
                sum.ok_or_else(|| invalid(collection, format!("the sum of `{path}` has more than 28 digits")))?
            }
            Accumulator::Avg(_) => self.mean(),
            Accumulator::Min(_) => self.value_at_rank(|_| 1),
            Accumulator::Max(_) => self.value_at_rank(|count| count),
            // p · n comes first: 55 · 100 / 100 is 55, but 55 / 100 · 100 is a little more and would give rank 56.
            Accumulator::Percentile(_, p) => {
                self.value_at_rank(|count| (p * count as f64 / 100.0).ceil().to_usize().unwrap_or(1).clamp(1, count))
            }
            Accumulator::Count | Accumulator::CountIf(_) => Json::Null,
        })
    }

    /// Sums decimals and integers exactly. With a double among them, the sum is a double. `None`: the sum has too many
    /// digits.
    fn sum(&self) -> Option<Json> {
        match self {
            NumericValues::Decimals(all) => {
                all.iter().try_fold(Decimal::ZERO, |sum, n| sum.checked_add(*n)).map(decimal_text)
            }
            NumericValues::Plain(all) => {
                let integer: Option<i64> = all.iter().try_fold(0i64, |sum, n| sum.checked_add(n.as_i64()?));
                Some(integer.map_or_else(|| doubles(all).sum::<f64>().into(), Json::from))
            }
        }
    }

    /// Returns the mean as a double; null without values.
    fn mean(&self) -> Json {
        let (sum, count) = match self {
            NumericValues::Decimals(all) => (all.iter().filter_map(|d| d.to_f64()).sum::<f64>(), all.len()),
            NumericValues::Plain(all) => (doubles(all).sum(), all.len()),
        };
        if count == 0 { Json::Null } else { (sum / count as f64).into() }
    }

    /// Returns the number at a rank, counted from 1; `rank` computes it from the number of values. Null without values.
    fn value_at_rank(self, rank: impl Fn(usize) -> usize) -> Json {
        match self {
            NumericValues::Decimals(mut all) => {
                sort_by(&mut all, Ord::cmp);
                nth(&all, rank).map_or(Json::Null, |n| decimal_text(*n))
            }
            NumericValues::Plain(all) => {
                let mut all: Vec<Json> = all.into_iter().map(Json::Number).collect();
                sort_by(&mut all, runstate_value::compare);
                nth(&all, rank).cloned().unwrap_or_default()
            }
        }
    }
}

fn nth<T>(all: &[T], rank: impl Fn(usize) -> usize) -> Option<&T> {
    if all.is_empty() { None } else { all.get(rank(all.len()).saturating_sub(1)) }
}

fn doubles(all: &[serde_json::Number]) -> impl Iterator<Item = f64> {
    all.iter().filter_map(serde_json::Number::as_f64)
}

/// Formats a decimal without trailing zeros, so that every backend writes equal numbers equally.
fn decimal_text(number: Decimal) -> Json {
    number.normalize().to_string().into()
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::{Field, Filter};
    use serde_json::json;

    use super::*;

    const C: Collection =
        Collection::new("t.t", 1).fields(&[Field::decimal("cost").optional(), Field::timestamp("at").optional()]);

    fn compute(
        group_by: Vec<Group>,
        accumulators: &[(&str, Accumulator)],
        documents: Json,
    ) -> Result<Json, StoreError> {
        let accumulators = accumulators.iter().map(|(name, a)| ((*name).to_owned(), a.clone())).collect();
        let query = Aggregate { collection: C.name.to_owned(), filter: Filter::All, group_by, accumulators };
        let documents = documents.as_array().unwrap().iter().map(|d| d.as_object().unwrap());
        aggregate(&C, &query, documents).map(|rows| rows.into_iter().map(Json::Object).collect())
    }

    #[test]
    fn sums_are_exact_and_means_are_doubles() {
        let accumulators = [("s", Accumulator::Sum("cost".into())), ("m", Accumulator::Avg("cost".into()))];
        let cents = json!([{"cost": "0.10"}, {"cost": "0.20"}, {"cost": 7}, {}]);
        assert_eq!(compute(vec![], &accumulators, cents), Ok(json!([{"s": "0.3", "m": 0.15000000000000002}])));
        assert_eq!(compute(vec![], &accumulators, json!([])), Ok(json!([{"s": "0", "m": null}])));
        let accumulators = [("s", Accumulator::Sum("n".into()))];
        assert_eq!(compute(vec![], &accumulators, json!([{"n": 1}, {"n": "x"}, {"n": 2}])), Ok(json!([{"s": 3}])));
        assert_eq!(compute(vec![], &accumulators, json!([{"n": 1}, {"n": 0.5}])), Ok(json!([{"s": 1.5}])));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let documents: Json = (1..=100).map(|n| json!({"n": n})).collect();
        for (p, expected) in [(0.0, 1), (1.0, 1), (55.0, 55), (95.0, 95), (99.5, 100), (100.0, 100)] {
            let accumulators = [("p", Accumulator::Percentile("n".into(), p))];
            assert_eq!(compute(vec![], &accumulators, documents.clone()), Ok(json!([{"p": expected}])), "{p}");
        }
        assert!(compute(vec![], &[("p", Accumulator::Percentile("n".into(), 101.0))], json!([])).is_err());
    }

    #[test]
    fn groups_are_sorted_by_their_values() {
        let count = [("n", Accumulator::Count)];
        let documents = json!([{"g": "b"}, {"g": 2}, {"g": 10}, {}, {"g": 2.0}, {"g": null}]);
        assert_eq!(
            compute(vec![Group::Field("g".into())], &count, documents),
            Ok(json!([{"g": null, "n": 2}, {"g": 2, "n": 2}, {"g": 10, "n": 1}, {"g": "b", "n": 1}]))
        );
        let documents = json!([{"at": 1_999}, {"at": -1}, {"at": 1_000}]);
        assert_eq!(
            compute(vec![Group::Bucket("at".into(), Millis(1_000))], &count, documents),
            Ok(json!([{"at": -1_000, "n": 1}, {"at": 1_000, "n": 2}]))
        );
        let twice = vec![Group::Field("at".into()), Group::Bucket("at".into(), Millis(1))];
        assert!(compute(twice, &count, json!([])).is_err());
    }
}
