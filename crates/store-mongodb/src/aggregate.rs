//! Aggregates. The server computes what declared queries and reports need: counts, also of documents with a value, sums
//! and means of integers, extremes of numbers, by scalar values and by spans of time. For all else, for percentiles and
//! decimals among others, it sends the fields that are read, and the reference implementation (`store::eval`) computes
//! the result.

use std::collections::BTreeMap;

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document as Doc, doc};
use runstate_core::limits::SAFE_INTEGER;
use runstate_core::schema::{Accumulator, Aggregate, Collection, Direction, Filter, Group, Kind, keys};
use runstate_store::StoreError;
use runstate_store::eval::{self, Aggregation};
use runstate_value::time::Millis;
use runstate_value::{Document, Json, sort_by};

use super::Mongo;
use super::codec::{CollectionCodec, decode_value};
use super::condition::{ServerFilter, ServerPath, comparison_value};
use super::filter::{add_text_search, translate};
use super::query::{include_fields, top_field};
use super::read::BATCH;
use super::retry::AttemptError;
use crate::{query, read, retry, time_series};

/// Computes an aggregate over the matching documents.
pub(super) async fn run_aggregate(mongo: &Mongo, aggregate: &Aggregate) -> Result<Vec<Document>, StoreError> {
    let codec = query::require_codec(mongo, &aggregate.collection)?;
    let empty = Aggregation::new(codec.collection, aggregate)?;
    let doing = format!("aggregating {}", aggregate.collection);
    if let Some(pushdown) = AggregatePushdown::new(&codec, aggregate)
        && let Some(rows) =
            retry::retry(mongo, &doing, || Box::pin(aggregate_on_server(mongo, &codec, aggregate, &pushdown))).await?
    {
        // The server sends no row for an aggregate over no documents. The result may have one.
        return if rows.is_empty() { empty.rows() } else { Ok(rows) };
    }
    retry::retry(mongo, &doing, || Box::pin(aggregate_locally(mongo, &codec, aggregate))).await
}

/// Computes the aggregate on the server. `None` if the reference implementation may have a different result.
async fn aggregate_on_server(
    mongo: &Mongo,
    codec: &CollectionCodec,
    aggregate: &Aggregate,
    pushdown: &AggregatePushdown,
) -> Result<Option<Vec<Document>>, AttemptError> {
    let mut cursor = read::run_pipeline(mongo, &aggregate.collection, pushdown.pipeline.clone()).await?;
    let mut rows = Vec::new();
    while cursor.advance().await? {
        match pushdown.decode_row(codec.collection, aggregate, cursor.current()) {
            Some(row) => rows.push(row),
            None => return Ok(None),
        }
    }
    sort_by(&mut rows, |(a, _), (b, _)| a.cmp(b));
    Ok(Some(rows.into_iter().map(|(_, row)| row).collect()))
}

/// Computes the aggregate here, over documents that the server sends.
async fn aggregate_locally(
    mongo: &Mongo,
    codec: &CollectionCodec,
    aggregate: &Aggregate,
) -> Result<Vec<Document>, AttemptError> {
    let mut filter = translate(codec, &aggregate.filter).filter;
    add_text_search(codec, &aggregate.filter, &mut filter);
    let command = doc! {
        "filter": filter,
        "projection": include_fields(read_fields(aggregate).into_iter().map(top_field)),
    };
    let mut cursor = read::find(mongo, &aggregate.collection, command, BATCH).await?;
    let mut documents = BTreeMap::new();
    while cursor.advance().await? {
        let (id, stored) = codec.decode_document(cursor.current())?;
        documents.insert(id, stored.document);
    }
    // The sum of doubles depends on the order of addition, which is the order of ids. If the server sorted by id, it
    // would rather scan all ids than use the index for the filter.
    Ok(eval::aggregate(codec.collection, aggregate, documents.values().map(|document| &**document))?)
}

/// The paths of the fields that the aggregate reads.
fn read_fields(aggregate: &Aggregate) -> Vec<&str> {
    let groups = aggregate.group_by.iter().map(|group| {
        let (Group::Field(path) | Group::Bucket(path, _)) = group;
        path.as_str()
    });
    let accumulated = aggregate.accumulators.iter().flat_map(|(_, accumulator)| match accumulator {
        Accumulator::Count => Vec::new(),
        Accumulator::CountIf(filter) => filter.fields(),
        Accumulator::Sum(path)
        | Accumulator::Avg(path)
        | Accumulator::Min(path)
        | Accumulator::Max(path)
        | Accumulator::Percentile(path, _) => vec![path.as_str()],
    });
    groups.chain(accumulated).chain(aggregate.filter.fields()).collect()
}

/// An aggregate that the server computes.
struct AggregatePushdown {
    pipeline: Vec<Doc>,
    /// How each accumulator is decoded.
    columns: Vec<ColumnDecoding>,
}

/// How a column is decoded from the values that the server computed.
#[derive(Clone, Copy)]
enum ColumnDecoding {
    /// An integer. For any other number the reference implementation computes the aggregate.
    Integer,
    /// A sum and the number of its summands.
    Mean,
    /// Any number.
    Number,
}

impl AggregatePushdown {
    /// `None` if the server's result would differ from that of the reference implementation.
    fn new(codec: &CollectionCodec, aggregate: &Aggregate) -> Option<Self> {
        let ServerFilter { filter, exact: true } = translate(codec, &aggregate.filter) else { return None };
        let mut groups = Doc::new();
        for (index, group) in aggregate.group_by.iter().enumerate() {
            groups.insert(format!("g{index}"), group_value(codec, group)?);
        }
        let mut group = doc! {"_id": if groups.is_empty() { Bson::Null } else { groups.into() }};
        let mut columns = Vec::new();
        for (index, (_, accumulator)) in aggregate.accumulators.iter().enumerate() {
            let (computed, decoding) = build_column(codec, accumulator)?;
            for (part, computed) in computed.into_iter().enumerate() {
                group.insert(column_name(index, part), computed);
            }
            columns.push(decoding);
        }
        let mut pipeline = vec![doc! {"$match": filter}];
        pipeline.extend(time_series::unique_rows(codec));
        pipeline.push(doc! {"$group": group});
        Some(Self { pipeline, columns })
    }

    /// Decodes a row of the result, with the key that rows are sorted by. `None` if the reference implementation may
    /// have a different result.
    fn decode_row(
        &self,
        collection: &Collection,
        aggregate: &Aggregate,
        found: &RawDocument,
    ) -> Option<(Vec<u8>, Document)> {
        let (mut key, mut row) = (Vec::new(), Document::new());
        for (index, group) in aggregate.group_by.iter().enumerate() {
            let value = found.get_document("_id").ok()?.get(format!("g{index}")).ok()??;
            let value = decode_value(Kind::Json, value).ok()?;
            let (path, kind) = match group {
                Group::Field(path) => (path, collection.kind_of(path)),
                Group::Bucket(path, _) => (path, Kind::Timestamp),
            };
            key.extend(keys::encode_field(kind, &value, Direction::Ascending));
            row.insert(path.clone(), value);
        }
        for (index, ((name, _), decoding)) in aggregate.accumulators.iter().zip(&self.columns).enumerate() {
            let part = |part: usize| found.get(column_name(index, part)).ok().flatten();
            row.insert(name.clone(), decoding.decode(part(0)?, part(1))?);
        }
        Some((key, row))
    }
}

fn column_name(column: usize, part: usize) -> String {
    format!("c{column}p{part}")
}

fn group_value(codec: &CollectionCodec, group: &Group) -> Option<Doc> {
    let (Group::Field(path) | Group::Bucket(path, _)) = group;
    // Equal decimals may have different texts (`1.5`, `1.50`). The reference implementation shows the first one.
    let field = comparable_field(codec, path).filter(|field| field.kind != Kind::Decimal)?;
    let Group::Bucket(_, Millis(width)) = group else { return Some(value_expression(&field)) };
    if field.kind != Kind::Timestamp {
        return None;
    }
    let number = doc! {"$toLong": value_expression(&field)};
    // `$mod` has the sign of the dividend, so a value with a negative remainder is in the bucket below.
    let remainder = doc! {"$mod": [&number, *width]};
    let correction = doc! {"$cond": [{"$lt": [&remainder, 0i64]}, *width, 0i64]};
    Some(doc! {"$subtract": [{"$subtract": [number, remainder]}, correction]})
}

/// The accumulator expressions of a column: one, or two for a mean.
fn build_column(codec: &CollectionCodec, accumulator: &Accumulator) -> Option<(Vec<Doc>, ColumnDecoding)> {
    let path = match accumulator {
        Accumulator::Count => return Some((vec![doc! {"$sum": 1i64}], ColumnDecoding::Integer)),
        Accumulator::CountIf(Filter::Eq(path, operand)) => {
            let field = comparable_field(codec, path)?;
            let operand = doc! {"$literal": comparison_value(field.kind, operand)?};
            let is_equal = doc! {"$eq": [value_expression(&field), operand]};
            return Some((vec![doc! {"$sum": {"$cond": [is_equal, 1i64, 0i64]}}], ColumnDecoding::Integer));
        }
        Accumulator::CountIf(_) | Accumulator::Percentile(..) => return None,
        Accumulator::Sum(path) | Accumulator::Avg(path) | Accumulator::Min(path) | Accumulator::Max(path) => path,
    };
    let field = ServerPath::resolve(codec, path)?;
    let is_sum = matches!(accumulator, Accumulator::Sum(_) | Accumulator::Avg(_));
    // Stored decimals and timestamps are not the numbers of the document, and doubles are added in the order of ids.
    if matches!(field.kind, Kind::Decimal | Kind::Timestamp) || is_sum && field.kind == Kind::Float {
        return None;
    }
    let field_path = format!("${}", field.path);
    // A value that is not a number is left out.
    let number = doc! {"$cond": [{"$isNumber": &field_path}, &field_path, Bson::Null]};
    Some(match accumulator {
        Accumulator::Min(_) => (vec![doc! {"$min": number}], ColumnDecoding::Number),
        Accumulator::Max(_) => (vec![doc! {"$max": number}], ColumnDecoding::Number),
        Accumulator::Sum(_) => (vec![doc! {"$sum": number}], ColumnDecoding::Integer),
        _ => {
            let one = doc! {"$cond": [{"$isNumber": &field_path}, 1i64, 0i64]};
            (vec![doc! {"$sum": number}, doc! {"$sum": one}], ColumnDecoding::Mean)
        }
    })
}

/// A field by whose values the server groups and counts as the reference implementation does.
fn comparable_field(codec: &CollectionCodec, path: &str) -> Option<ServerPath> {
    ServerPath::resolve(codec, path).filter(|field| field.is_comparable() && !field.implied_id)
}

/// The value of a field; null if the field is missing.
fn value_expression(field: &ServerPath) -> Doc {
    doc! {"$ifNull": [format!("${}", field.path), Bson::Null]}
}

impl ColumnDecoding {
    fn decode(self, found: RawBsonRef<'_>, count: Option<RawBsonRef<'_>>) -> Option<Json> {
        match self {
            ColumnDecoding::Integer => to_integer(found).map(Json::from),
            ColumnDecoding::Mean => {
                // Beyond the safe integers a sum of doubles is not exact.
                let sum = to_integer(found).filter(|sum| sum.unsigned_abs() <= SAFE_INTEGER.unsigned_abs())?;
                let count = to_integer(count?)?;
                #[expect(clippy::cast_precision_loss, reason = "the mean is a double")]
                let mean = sum as f64 / count as f64;
                Some(if count == 0 { Json::Null } else { mean.into() })
            }
            ColumnDecoding::Number => decode_value(Kind::Json, found).ok(),
        }
    }
}

fn to_integer(value: RawBsonRef<'_>) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
