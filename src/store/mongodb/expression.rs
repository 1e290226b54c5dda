//! Filters as expressions, for what is counted within a group. Only what an expression says exactly.

use mongodb::bson::{Bson, Document as Doc, doc};

use super::codec::Declared;
use super::place::{Op, Place, compared};
use crate::schema::Filter;
use crate::value::Json;

/// Deeper than this is not said to the server, whose language is bounded.
const LEVELS: usize = 15;

/// What is true for the documents that match. `None`: no expression says it.
pub(super) fn holds(declared: &Declared, filter: &Filter) -> Option<Bson> {
    part(declared, filter, LEVELS)
}

/// The value at a place; null where nothing stands.
pub(super) fn value(place: &Place) -> Doc {
    let path = format!("${}", place.path);
    let otherwise = if place.implied { Bson::from("$_id") } else { Bson::Null };
    doc! {"$ifNull": [path, otherwise]}
}

fn part(declared: &Declared, filter: &Filter, levels: usize) -> Option<Bson> {
    let levels = levels.checked_sub(1)?;
    let parts = |all: &[Filter]| all.iter().map(|inner| part(declared, inner, levels)).collect::<Option<Vec<Bson>>>();
    let plain = |path: &str| Place::of(declared, path).filter(Place::is_plain);
    let not = |what: Bson| Bson::from(doc! {"$not": [what]});
    Some(match filter {
        Filter::All => true.into(),
        Filter::And(all) => doc! {"$and": parts(all)?}.into(),
        Filter::Or(any) => doc! {"$or": parts(any)?}.into(),
        Filter::Not(inner) => not(part(declared, inner, levels)?),
        Filter::Eq(path, value) => equal(&plain(path)?, value),
        Filter::Ne(path, value) => not(equal(&plain(path)?, value)),
        Filter::In(path, values) => {
            let place = plain(path)?;
            doc! {"$or": values.iter().map(|value| equal(&place, value)).collect::<Vec<_>>()}.into()
        }
        Filter::Lt(path, value) => ordered(&plain(path)?, Op::Lt, value),
        Filter::Lte(path, value) => ordered(&plain(path)?, Op::Lte, value),
        Filter::Gt(path, value) => ordered(&plain(path)?, Op::Gt, value),
        Filter::Gte(path, value) => ordered(&plain(path)?, Op::Gte, value),
        Filter::Exists(path, there) => {
            let place = Place::of(declared, path).filter(|place| place.through_objects && !place.implied)?;
            let kind = doc! {"$type": format!("${}", place.path)};
            let word = if *there { "$ne" } else { "$eq" };
            doc! {word: [kind, "missing"]}.into()
        }
        Filter::Contains(..) | Filter::Text(..) => return None,
    })
}

fn equal(place: &Place, wanted: &Json) -> Bson {
    let wanted = match wanted {
        Json::Null => Some(Bson::Null),
        Json::Array(_) | Json::Object(_) => None,
        wanted => compared(place.kind, Op::Eq, wanted),
    };
    wanted.map_or(false.into(), |wanted| doc! {"$eq": [value(place), literal(wanted)]}.into())
}

/// An expression orders all there is, so what is null is left out.
fn ordered(place: &Place, op: Op, bound: &Json) -> Bson {
    let bound = match bound {
        Json::Null if matches!(op, Op::Lte | Op::Gte) => return equal(place, bound),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        // Nor is there one value that is less than those of another kind.
        bound if !fits(place, bound) => None,
        bound => compared(place.kind, op, bound),
    };
    let Some(bound) = bound else { return false.into() };
    let there = doc! {"$gt": [value(place), Bson::Null]};
    doc! {"$and": [there, {op.word(): [value(place), literal(bound)]}]}.into()
}

/// Whether a value is of the kind that stands there.
fn fits(place: &Place, value: &Json) -> bool {
    use crate::schema::Kind;
    match place.kind {
        Kind::Text | Kind::Id | Kind::Decimal => value.is_string(),
        Kind::Int | Kind::Float | Kind::Timestamp => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Json | Kind::List | Kind::Object => false,
    }
}

fn literal(value: Bson) -> Doc {
    doc! {"$literal": value}
}
