//! Aggregates. The server computes an aggregate if its result equals that of the reference implementation
//! (`store::eval`). Otherwise the server sends the fields that are read, and the reference implementation computes it.
//!
//! The server's aggregate is a pipeline (`$match`, `$group`): groups by scalar values, counts, exact sums, averages of
//! integers, minimum and maximum. Percentiles, sums of doubles and groups by decimals are not pushed down. Counts
//! within a group translate a filter to an aggregation expression, if it represents the filter exactly.

use std::sync::Arc;

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document as Doc, doc};
use rust_decimal::Decimal;

use super::Mongo;
use super::codec::{CollectionCodec, decode_value};
use super::condition::{ComparisonOperator, ServerPath, comparison_value};
use super::filter::translate;
use super::query::{collect_filter_fields, include_fields, top_field};
use super::read::BATCH;
use super::retry::AttemptError;
use crate::limits::SAFE_INTEGER;
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Filter, Group, Kind, keys, parse_decimal};
use crate::store::StoreError;
use crate::store::eval::Aggregation;
use crate::store::mongodb::{query, read, retry};
use crate::time::Millis;
use crate::value::{Document, Json, sort_by};

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
    let mut cursor = read::run_pipeline(mongo, &aggregate.collection, pushdown.pipeline()).await?;
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
    let filter = translate(codec, &aggregate.filter).condition.filter();
    let command = doc! {"filter": filter, "projection": read_fields(aggregate)};
    let mut cursor = read::find(mongo, &aggregate.collection, command, BATCH).await?;
    let mut documents: Vec<(Arc<str>, Arc<Document>)> = Vec::new();
    while cursor.advance().await? {
        let (id, stored) = codec.decode_document(cursor.current())?;
        documents.push((id, stored.document));
    }
    // The sum of doubles depends on the order of addition, which is the order of ids.
    sort_by(&mut documents, |(a, _), (b, _)| a.cmp(b));
    let mut aggregation = Aggregation::new(codec.collection, aggregate)?;
    documents.iter().for_each(|(_, document)| aggregation.add(document));
    Ok(aggregation.rows()?)
}

/// A projection of the fields that the aggregate reads.
fn read_fields(aggregate: &Aggregate) -> Doc {
    let mut fields = Vec::new();
    collect_filter_fields(&aggregate.filter, &mut fields);
    for group in &aggregate.group_by {
        let (Group::Field(path) | Group::Bucket(path, _)) = group;
        fields.push(top_field(path));
    }
    for (_, accumulator) in &aggregate.accumulators {
        match accumulator {
            Accumulator::Count => {}
            Accumulator::CountIf(filter) => collect_filter_fields(filter, &mut fields),
            Accumulator::Sum(path)
            | Accumulator::Avg(path)
            | Accumulator::Min(path)
            | Accumulator::Max(path)
            | Accumulator::Percentile(path, _) => fields.push(top_field(path)),
        }
    }
    include_fields(fields)
}

/// The parts of the pipeline.
pub(super) struct AggregatePushdown {
    filter: Doc,
    groups: Doc,
    columns: Vec<AggregateColumn>,
}

/// One accumulator: a value of each row.
struct AggregateColumn {
    /// The accumulator expressions of `$group`: one, or two for an average.
    computed: Vec<Bson>,
    decoding: ColumnDecoding,
}

/// How a column is decoded from the values that the server computed.
#[derive(Clone, Copy, PartialEq)]
enum ColumnDecoding {
    /// An integer. For any other number the reference implementation computes the aggregate.
    Integer,
    /// A sum and the number of its summands.
    Mean,
    /// Any number.
    Number,
    /// A sum of decimals. Over no documents the server returns the integer 0.
    DecimalSum,
    /// A decimal.
    Decimal,
}

impl AggregatePushdown {
    /// `None` if the server's result would differ from that of the reference implementation.
    pub(super) fn new(codec: &CollectionCodec, aggregate: &Aggregate) -> Option<Self> {
        let selection = translate(codec, &aggregate.filter);
        if !selection.exact {
            return None;
        }
        let mut groups = Doc::new();
        for (index, group) in aggregate.group_by.iter().enumerate() {
            groups.insert(format!("g{index}"), group_value(codec, group)?);
        }
        let columns = aggregate.accumulators.iter().map(|(_, accumulator)| build_column(codec, accumulator));
        Some(Self { filter: selection.condition.filter(), groups, columns: columns.collect::<Option<_>>()? })
    }

    pub(super) fn pipeline(&self) -> Vec<Doc> {
        let by = if self.groups.is_empty() { Bson::Null } else { self.groups.clone().into() };
        let mut group = doc! {"_id": by};
        for (index, column) in self.columns.iter().enumerate() {
            for (part, computed) in column.computed.iter().enumerate() {
                group.insert(column_name(index, part), computed.clone());
            }
        }
        vec![doc! {"$match": self.filter.clone()}, doc! {"$group": group}]
    }

    /// Decodes a row of the result, with the key that rows are sorted by. `None` if the reference implementation may have a different result.
    pub(super) fn decode_row(
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
        for (index, ((name, _), column)) in aggregate.accumulators.iter().zip(&self.columns).enumerate() {
            let part = |part: usize| found.get(column_name(index, part)).ok().flatten();
            row.insert(name.clone(), column.decoding.decode(part(0)?, part(1))?);
        }
        Some((key, row))
    }
}

fn column_name(column: usize, part: usize) -> String {
    format!("c{column}p{part}")
}

fn group_value(codec: &CollectionCodec, group: &Group) -> Option<Bson> {
    match group {
        Group::Field(path) => {
            // Equal decimals may have different texts (`1.5`, `1.50`). The reference implementation shows the first one.
            let field = ServerPath::resolve(codec, path)
                .filter(|field| field.is_comparable() && field.kind != Kind::Decimal)?;
            Some(field_expression(&field).into())
        }
        Group::Bucket(path, Millis(width)) => {
            let field = ServerPath::resolve(codec, path).filter(ServerPath::is_comparable)?;
            let number = match field.kind {
                Kind::Timestamp => doc! {"$toLong": field_expression(&field)},
                Kind::Int => field_expression(&field),
                _ => return None,
            };
            // `$mod` has the sign of the dividend, so a value with a negative remainder is in the bucket below.
            let remainder = doc! {"$mod": [&number, *width]};
            let correction = doc! {"$cond": [{"$lt": [&remainder, 0i64]}, *width, 0i64]};
            Some(doc! {"$subtract": [{"$subtract": [number, remainder]}, correction]}.into())
        }
    }
}

fn build_column(codec: &CollectionCodec, accumulator: &Accumulator) -> Option<AggregateColumn> {
    let column = |computed: Vec<Doc>, decoding| {
        Some(AggregateColumn { computed: computed.into_iter().map(Bson::from).collect(), decoding })
    };
    let path = match accumulator {
        Accumulator::Count => return column(vec![doc! {"$sum": 1i64}], ColumnDecoding::Integer),
        Accumulator::CountIf(filter) => {
            let counted = doc! {"$cond": [filter_expression(codec, filter)?, 1i64, 0i64]};
            return column(vec![doc! {"$sum": counted}], ColumnDecoding::Integer);
        }
        Accumulator::Percentile(..) => return None,
        Accumulator::Sum(path) | Accumulator::Avg(path) | Accumulator::Min(path) | Accumulator::Max(path) => path,
    };
    let field = ServerPath::resolve(codec, path)?;
    let decimal = field.kind == Kind::Decimal;
    let field_path = format!("${}", field.path);
    // A value that is not a number is left out. Decimal and timestamp fields hold no other values.
    let number = match field.kind {
        Kind::Decimal if !field.through_objects => return None,
        Kind::Decimal => Bson::from(field_path),
        Kind::Timestamp if !field.through_objects => return None,
        Kind::Timestamp => doc! {"$toLong": field_path}.into(),
        _ => doc! {"$cond": [{"$isNumber": &field_path}, &field_path, Bson::Null]}.into(),
    };
    match accumulator {
        // Doubles are summed in the order of ids. The average of decimals is computed from doubles too.
        Accumulator::Sum(_) | Accumulator::Avg(_) if field.kind == Kind::Float => None,
        Accumulator::Avg(_) if decimal => None,
        Accumulator::Sum(_) if decimal => column(vec![doc! {"$sum": number}], ColumnDecoding::DecimalSum),
        Accumulator::Sum(_) => column(vec![doc! {"$sum": number}], ColumnDecoding::Integer),
        Accumulator::Avg(_) => {
            let one = doc! {"$cond": [{"$gt": [&number, Bson::Null]}, 1i64, 0i64]};
            column(vec![doc! {"$sum": number}, doc! {"$sum": one}], ColumnDecoding::Mean)
        }
        Accumulator::Min(_) => {
            column(vec![doc! {"$min": number}], if decimal { ColumnDecoding::Decimal } else { ColumnDecoding::Number })
        }
        Accumulator::Max(_) => {
            column(vec![doc! {"$max": number}], if decimal { ColumnDecoding::Decimal } else { ColumnDecoding::Number })
        }
        Accumulator::Count | Accumulator::CountIf(_) | Accumulator::Percentile(..) => None,
    }
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
            ColumnDecoding::DecimalSum if to_integer(found) == Some(0) => Some("0".into()),
            ColumnDecoding::DecimalSum | ColumnDecoding::Decimal => match decode_value(Kind::Json, found).ok()? {
                Json::Null => Some(Json::Null),
                text => normalize_decimal(&text),
            },
        }
    }
}

fn to_integer(value: RawBsonRef<'_>) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

/// Removes trailing zeros, as the reference implementation does.
fn normalize_decimal(text: &Json) -> Option<Json> {
    let number: Decimal = parse_decimal(text.as_str()?)?;
    Some(number.normalize().to_string().into())
}

/// Deeper filters are not translated, since the server limits the depth of a command.
const MAX_DEPTH: usize = 15;

/// An expression that is true for the matching documents. `None` if there is none.
pub(super) fn filter_expression(codec: &CollectionCodec, filter: &Filter) -> Option<Bson> {
    translate_part(codec, filter, MAX_DEPTH)
}

/// The value of a field; null if the field is missing.
pub(super) fn field_expression(field: &ServerPath) -> Doc {
    let path = format!("${}", field.path);
    let default = if field.implied_id { Bson::from("$_id") } else { Bson::Null };
    doc! {"$ifNull": [path, default]}
}

fn translate_part(codec: &CollectionCodec, filter: &Filter, levels: usize) -> Option<Bson> {
    let levels = levels.checked_sub(1)?;
    let parts =
        |all: &[Filter]| all.iter().map(|inner| translate_part(codec, inner, levels)).collect::<Option<Vec<Bson>>>();
    let comparable = |path: &str| ServerPath::resolve(codec, path).filter(ServerPath::is_comparable);
    let not = |expression: Bson| Bson::from(doc! {"$not": [expression]});
    Some(match filter {
        Filter::All => true.into(),
        Filter::And(all) => doc! {"$and": parts(all)?}.into(),
        Filter::Or(any) => doc! {"$or": parts(any)?}.into(),
        Filter::Not(inner) => not(translate_part(codec, inner, levels)?),
        Filter::Eq(path, value) => equality_expression(&comparable(path)?, value),
        Filter::Ne(path, value) => not(equality_expression(&comparable(path)?, value)),
        Filter::In(path, values) => {
            let field = comparable(path)?;
            doc! {"$or": values.iter().map(|value| equality_expression(&field, value)).collect::<Vec<_>>()}.into()
        }
        Filter::Lt(path, value) => comparison_expression(&comparable(path)?, ComparisonOperator::Lt, value),
        Filter::Lte(path, value) => comparison_expression(&comparable(path)?, ComparisonOperator::Lte, value),
        Filter::Gt(path, value) => comparison_expression(&comparable(path)?, ComparisonOperator::Gt, value),
        Filter::Gte(path, value) => comparison_expression(&comparable(path)?, ComparisonOperator::Gte, value),
        Filter::Exists(path, expected) => {
            let field = ServerPath::resolve(codec, path).filter(|field| field.through_objects && !field.implied_id)?;
            let kind = doc! {"$type": format!("${}", field.path)};
            let operator = if *expected { "$ne" } else { "$eq" };
            doc! {operator: [kind, "missing"]}.into()
        }
        Filter::Contains(..) | Filter::Text(..) => return None,
    })
}

fn equality_expression(field: &ServerPath, operand: &Json) -> Bson {
    let operand = match operand {
        Json::Null => Some(Bson::Null),
        Json::Array(_) | Json::Object(_) => None,
        operand => comparison_value(field.kind, ComparisonOperator::Eq, operand),
    };
    operand.map_or(false.into(), |operand| doc! {"$eq": [field_expression(field), literal(operand)]}.into())
}

/// Expressions order values of every type. Null is less than all others, so it is excluded.
fn comparison_expression(field: &ServerPath, op: ComparisonOperator, bound: &Json) -> Bson {
    let bound = match bound {
        Json::Null if matches!(op, ComparisonOperator::Lte | ComparisonOperator::Gte) => {
            return equality_expression(field, bound);
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        // A value of another kind is never less or greater.
        bound if !matches_kind(field, bound) => None,
        bound => comparison_value(field.kind, op, bound),
    };
    let Some(bound) = bound else { return false.into() };
    let not_null = doc! {"$gt": [field_expression(field), Bson::Null]};
    doc! {"$and": [not_null, {op.as_str(): [field_expression(field), literal(bound)]}]}.into()
}

/// Whether a value has the kind that the field holds.
fn matches_kind(field: &ServerPath, value: &Json) -> bool {
    use crate::schema::Kind;
    match field.kind {
        Kind::Text | Kind::Id | Kind::Decimal => value.is_string(),
        Kind::Int | Kind::Float | Kind::Timestamp => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Json | Kind::List | Kind::Object => false,
    }
}

fn literal(value: Bson) -> Doc {
    doc! {"$literal": value}
}
