//! An aggregate as a pipeline of the server, where that counts as the reference does: groups by single values, counts, exact sums, means of
//! whole numbers, least and greatest. Percentiles, sums of doubles and groups of decimals it does not.

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document as Doc, doc};
use rust_decimal::Decimal;

use super::codec::{Declared, decode_value};
use super::expression::{holds, value};
use super::filter::translate;
use super::place::Place;
use crate::limits::SAFE_INTEGER;
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Group, Kind, keys, parse_decimal};
use crate::time::Millis;
use crate::value::{Document, Json};

/// The pipeline's parts.
pub(super) struct Pushed {
    filter: Doc,
    groups: Doc,
    columns: Vec<Column>,
}

/// One number of each row.
struct Column {
    /// What is computed for it.
    computed: Vec<Bson>,
    reads: Reads,
}

/// How a number is read from what was computed.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// A whole number, else it is none of the server's business.
    Whole,
    /// A sum and how many it is of.
    Mean,
    /// Whatever number.
    Number,
    /// A sum of decimals, which is 0 over nothing.
    DecimalSum,
    /// A decimal.
    Decimal,
}

impl Pushed {
    /// `None`: the server would count otherwise.
    pub(super) fn of(declared: &Declared, question: &Aggregate) -> Option<Self> {
        let asked = translate(declared, &question.filter);
        if !asked.exact {
            return None;
        }
        let mut groups = Doc::new();
        for (nth, group) in question.group_by.iter().enumerate() {
            groups.insert(format!("g{nth}"), group_value(declared, group)?);
        }
        let columns = question.accumulators.iter().map(|(_, accumulator)| column(declared, accumulator));
        Some(Self { filter: asked.condition.filter(), groups, columns: columns.collect::<Option<_>>()? })
    }

    pub(super) fn pipeline(&self) -> Vec<Doc> {
        let by = if self.groups.is_empty() { Bson::Null } else { self.groups.clone().into() };
        let mut group = doc! {"_id": by};
        for (nth, column) in self.columns.iter().enumerate() {
            for (part, computed) in column.computed.iter().enumerate() {
                group.insert(name(nth, part), computed.clone());
            }
        }
        vec![doc! {"$match": self.filter.clone()}, doc! {"$group": group}]
    }

    /// A row of the answer, and what it is sorted by. `None`: the reference may have counted otherwise.
    pub(super) fn row(
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
            key.extend(keys::encoded(kind, &value, Direction::Ascending));
            row.insert(path.clone(), value);
        }
        for (nth, ((called, _), column)) in question.accumulators.iter().zip(&self.columns).enumerate() {
            let part = |part: usize| found.get(name(nth, part)).ok().flatten();
            row.insert(called.clone(), column.reads.number(part(0)?, part(1))?);
        }
        Some((key, row))
    }
}

fn name(column: usize, part: usize) -> String {
    format!("c{column}p{part}")
}

fn group_value(declared: &Declared, group: &Group) -> Option<Bson> {
    match group {
        Group::Field(path) => {
            // Equal decimals have several texts, and the first one is shown.
            let place = Place::of(declared, path).filter(|place| place.is_plain() && place.kind != Kind::Decimal)?;
            Some(value(&place).into())
        }
        Group::Bucket(path, Millis(span)) => {
            let place = Place::of(declared, path).filter(Place::is_plain)?;
            let at = match place.kind {
                Kind::Timestamp => doc! {"$toLong": value(&place)},
                Kind::Int => value(&place),
                _ => return None,
            };
            // The server's remainder has the sign of what is divided.
            let rest = doc! {"$mod": [&at, *span]};
            let up = doc! {"$cond": [{"$lt": [&rest, 0i64]}, *span, 0i64]};
            Some(doc! {"$subtract": [{"$subtract": [at, rest]}, up]}.into())
        }
    }
}

fn column(declared: &Declared, accumulator: &Accumulator) -> Option<Column> {
    let of =
        |computed: Vec<Doc>, reads| Some(Column { computed: computed.into_iter().map(Bson::from).collect(), reads });
    let path = match accumulator {
        Accumulator::Count => return of(vec![doc! {"$sum": 1i64}], Reads::Whole),
        Accumulator::CountIf(filter) => {
            let counted = doc! {"$cond": [holds(declared, filter)?, 1i64, 0i64]};
            return of(vec![doc! {"$sum": counted}], Reads::Whole);
        }
        Accumulator::Percentile(..) => return None,
        Accumulator::Sum(path) | Accumulator::Avg(path) | Accumulator::Min(path) | Accumulator::Max(path) => path,
    };
    let place = Place::of(declared, path)?;
    let decimal = place.kind == Kind::Decimal;
    let field = format!("${}", place.path);
    // What is no number is left out; of a decimal and an instant nothing else can stand there.
    let number = match place.kind {
        Kind::Decimal if !place.through_objects => return None,
        Kind::Decimal => Bson::from(field),
        Kind::Timestamp if !place.through_objects => return None,
        Kind::Timestamp => doc! {"$toLong": field}.into(),
        _ => doc! {"$cond": [{"$isNumber": &field}, &field, Bson::Null]}.into(),
    };
    match accumulator {
        // Doubles are summed in the order of the ids; the sum of decimals as doubles too.
        Accumulator::Sum(_) | Accumulator::Avg(_) if place.kind == Kind::Float => None,
        Accumulator::Avg(_) if decimal => None,
        Accumulator::Sum(_) if decimal => of(vec![doc! {"$sum": number}], Reads::DecimalSum),
        Accumulator::Sum(_) => of(vec![doc! {"$sum": number}], Reads::Whole),
        Accumulator::Avg(_) => {
            let one = doc! {"$cond": [{"$gt": [&number, Bson::Null]}, 1i64, 0i64]};
            of(vec![doc! {"$sum": number}, doc! {"$sum": one}], Reads::Mean)
        }
        Accumulator::Min(_) => of(vec![doc! {"$min": number}], if decimal { Reads::Decimal } else { Reads::Number }),
        Accumulator::Max(_) => of(vec![doc! {"$max": number}], if decimal { Reads::Decimal } else { Reads::Number }),
        Accumulator::Count | Accumulator::CountIf(_) | Accumulator::Percentile(..) => None,
    }
}

impl Reads {
    fn number(self, found: RawBsonRef<'_>, count: Option<RawBsonRef<'_>>) -> Option<Json> {
        match self {
            Reads::Whole => whole(found).map(Json::from),
            Reads::Mean => {
                // Beyond that doubles are no longer summed exactly.
                let sum = whole(found).filter(|sum| sum.unsigned_abs() <= SAFE_INTEGER.unsigned_abs())?;
                let count = whole(count?)?;
                #[expect(clippy::cast_precision_loss, reason = "the mean is a double")]
                let mean = sum as f64 / count as f64;
                Some(if count == 0 { Json::Null } else { mean.into() })
            }
            Reads::Number => decode_value(Kind::Json, found).ok(),
            Reads::DecimalSum if whole(found) == Some(0) => Some("0".into()),
            Reads::DecimalSum | Reads::Decimal => match decode_value(Kind::Json, found).ok()? {
                Json::Null => Some(Json::Null),
                text => decimal(&text),
            },
        }
    }
}

fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

/// Without trailing zeros, as the reference writes it.
fn decimal(text: &Json) -> Option<Json> {
    let number: Decimal = parse_decimal(text.as_str()?)?;
    Some(number.normalize().to_string().into())
}
