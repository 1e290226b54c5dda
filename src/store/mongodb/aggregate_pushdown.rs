//! An aggregate as a pipeline (`$match`, `$group`), where the server's result equals that of the reference implementation: groups by scalar
//! values, counts, exact sums, averages of integers, minimum and maximum. Percentiles, sums of doubles and groups by decimals are not pushed
//! down.

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document as Doc, doc};
use rust_decimal::Decimal;

use super::codec::{CollectionCodec, decode_value};
use super::expression::{field_expression, filter_expression};
use super::filter::translate;
use super::server_path::ServerPath;
use crate::limits::SAFE_INTEGER;
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Group, Kind, keys, parse_decimal};
use crate::time::Millis;
use crate::value::{Document, Json};

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
    Whole,
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
    pub(super) fn new(declared: &CollectionCodec, aggregate: &Aggregate) -> Option<Self> {
        let asked = translate(declared, &aggregate.filter);
        if !asked.exact {
            return None;
        }
        let mut groups = Doc::new();
        for (nth, group) in aggregate.group_by.iter().enumerate() {
            groups.insert(format!("g{nth}"), group_value(declared, group)?);
        }
        let columns = aggregate.accumulators.iter().map(|(_, accumulator)| build_column(declared, accumulator));
        Some(Self { filter: asked.condition.filter(), groups, columns: columns.collect::<Option<_>>()? })
    }

    pub(super) fn pipeline(&self) -> Vec<Doc> {
        let by = if self.groups.is_empty() { Bson::Null } else { self.groups.clone().into() };
        let mut group = doc! {"_id": by};
        for (nth, column) in self.columns.iter().enumerate() {
            for (part, computed) in column.computed.iter().enumerate() {
                group.insert(column_name(nth, part), computed.clone());
            }
        }
        vec![doc! {"$match": self.filter.clone()}, doc! {"$group": group}]
    }

    /// A row of the result, with the key that rows are sorted by. `None` if the reference implementation may have a different result.
    pub(super) fn decode_row(
        &self,
        collection: &Collection,
        question: &Aggregate,
        found: &RawDocument,
    ) -> Option<(Vec<u8>, Document)> {
        let (mut key, mut row) = (Vec::new(), Document::new());
        for (nth, group) in question.group_by.iter().enumerate() {
            let value = found.get_document("_id").ok()?.get(format!("g{nth}")).ok()??;
            let value = decode_value(Kind::Json, value).ok()?;
            let (path, kind) = match group {
                Group::Field(path) => (path, collection.kind_of(path)),
                Group::Bucket(path, _) => (path, Kind::Timestamp),
            };
            key.extend(keys::encode_field(kind, &value, Direction::Ascending));
            row.insert(path.clone(), value);
        }
        for (nth, ((called, _), column)) in question.accumulators.iter().zip(&self.columns).enumerate() {
            let part = |part: usize| found.get(column_name(nth, part)).ok().flatten();
            row.insert(called.clone(), column.decoding.decode(part(0)?, part(1))?);
        }
        Some((key, row))
    }
}

fn column_name(column: usize, part: usize) -> String {
    format!("c{column}p{part}")
}

fn group_value(declared: &CollectionCodec, group: &Group) -> Option<Bson> {
    match group {
        Group::Field(path) => {
            // Equal decimals may have different texts (`1.5`, `1.50`). The reference implementation shows the first one.
            let field = ServerPath::resolve(declared, path)
                .filter(|field| field.is_comparable() && field.kind != Kind::Decimal)?;
            Some(field_expression(&field).into())
        }
        Group::Bucket(path, Millis(span)) => {
            let place = ServerPath::resolve(declared, path).filter(ServerPath::is_comparable)?;
            let at = match place.kind {
                Kind::Timestamp => doc! {"$toLong": field_expression(&place)},
                Kind::Int => field_expression(&place),
                _ => return None,
            };
            // `$mod` has the sign of the dividend, so a value with a negative remainder is in the bucket below.
            let rest = doc! {"$mod": [&at, *span]};
            let up = doc! {"$cond": [{"$lt": [&rest, 0i64]}, *span, 0i64]};
            Some(doc! {"$subtract": [{"$subtract": [at, rest]}, up]}.into())
        }
    }
}

fn build_column(declared: &CollectionCodec, accumulator: &Accumulator) -> Option<AggregateColumn> {
    let of = |computed: Vec<Doc>, reads| {
        Some(AggregateColumn { computed: computed.into_iter().map(Bson::from).collect(), decoding: reads })
    };
    let path = match accumulator {
        Accumulator::Count => return of(vec![doc! {"$sum": 1i64}], ColumnDecoding::Whole),
        Accumulator::CountIf(filter) => {
            let counted = doc! {"$cond": [filter_expression(declared, filter)?, 1i64, 0i64]};
            return of(vec![doc! {"$sum": counted}], ColumnDecoding::Whole);
        }
        Accumulator::Percentile(..) => return None,
        Accumulator::Sum(path) | Accumulator::Avg(path) | Accumulator::Min(path) | Accumulator::Max(path) => path,
    };
    let place = ServerPath::resolve(declared, path)?;
    let decimal = place.kind == Kind::Decimal;
    let field = format!("${}", place.path);
    // A value that is not a number is left out. Decimal and timestamp fields hold no other values.
    let number = match place.kind {
        Kind::Decimal if !place.through_objects => return None,
        Kind::Decimal => Bson::from(field),
        Kind::Timestamp if !place.through_objects => return None,
        Kind::Timestamp => doc! {"$toLong": field}.into(),
        _ => doc! {"$cond": [{"$isNumber": &field}, &field, Bson::Null]}.into(),
    };
    match accumulator {
        // Doubles are summed in the order of ids. The average of decimals is computed from doubles too.
        Accumulator::Sum(_) | Accumulator::Avg(_) if place.kind == Kind::Float => None,
        Accumulator::Avg(_) if decimal => None,
        Accumulator::Sum(_) if decimal => of(vec![doc! {"$sum": number}], ColumnDecoding::DecimalSum),
        Accumulator::Sum(_) => of(vec![doc! {"$sum": number}], ColumnDecoding::Whole),
        Accumulator::Avg(_) => {
            let one = doc! {"$cond": [{"$gt": [&number, Bson::Null]}, 1i64, 0i64]};
            of(vec![doc! {"$sum": number}, doc! {"$sum": one}], ColumnDecoding::Mean)
        }
        Accumulator::Min(_) => {
            of(vec![doc! {"$min": number}], if decimal { ColumnDecoding::Decimal } else { ColumnDecoding::Number })
        }
        Accumulator::Max(_) => {
            of(vec![doc! {"$max": number}], if decimal { ColumnDecoding::Decimal } else { ColumnDecoding::Number })
        }
        Accumulator::Count | Accumulator::CountIf(_) | Accumulator::Percentile(..) => None,
    }
}

impl ColumnDecoding {
    fn decode(self, found: RawBsonRef<'_>, count: Option<RawBsonRef<'_>>) -> Option<Json> {
        match self {
            ColumnDecoding::Whole => to_integer(found).map(Json::from),
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
