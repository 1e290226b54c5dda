//! Filters as aggregation expressions, for counts within a group. Only filters that an expression represents exactly are translated.

use mongodb::bson::{Bson, Document as Doc, doc};

use super::codec::CollectionCodec;
use super::server_path::{ComparisonOperator, ServerPath, comparison_value};
use crate::schema::Filter;
use crate::value::Json;

/// Deeper filters are not translated, since the server limits the depth of a command.
const MAX_DEPTH: usize = 15;

/// An expression that is true for the matching documents. `None` if there is none.
pub(super) fn filter_expression(declared: &CollectionCodec, filter: &Filter) -> Option<Bson> {
    translate_part(declared, filter, MAX_DEPTH)
}

/// The value of a field; null if the field is missing.
pub(super) fn field_expression(field: &ServerPath) -> Doc {
    let path = format!("${}", field.path);
    let otherwise = if field.implied_id { Bson::from("$_id") } else { Bson::Null };
    doc! {"$ifNull": [path, otherwise]}
}

fn translate_part(declared: &CollectionCodec, filter: &Filter, levels: usize) -> Option<Bson> {
    let levels = levels.checked_sub(1)?;
    let parts =
        |all: &[Filter]| all.iter().map(|inner| translate_part(declared, inner, levels)).collect::<Option<Vec<Bson>>>();
    let plain = |path: &str| ServerPath::resolve(declared, path).filter(ServerPath::is_comparable);
    let not = |what: Bson| Bson::from(doc! {"$not": [what]});
    Some(match filter {
        Filter::All => true.into(),
        Filter::And(all) => doc! {"$and": parts(all)?}.into(),
        Filter::Or(any) => doc! {"$or": parts(any)?}.into(),
        Filter::Not(inner) => not(translate_part(declared, inner, levels)?),
        Filter::Eq(path, value) => equality_expression(&plain(path)?, value),
        Filter::Ne(path, value) => not(equality_expression(&plain(path)?, value)),
        Filter::In(path, values) => {
            let place = plain(path)?;
            doc! {"$or": values.iter().map(|value| equality_expression(&place, value)).collect::<Vec<_>>()}.into()
        }
        Filter::Lt(path, value) => comparison_expression(&plain(path)?, ComparisonOperator::Lt, value),
        Filter::Lte(path, value) => comparison_expression(&plain(path)?, ComparisonOperator::Lte, value),
        Filter::Gt(path, value) => comparison_expression(&plain(path)?, ComparisonOperator::Gt, value),
        Filter::Gte(path, value) => comparison_expression(&plain(path)?, ComparisonOperator::Gte, value),
        Filter::Exists(path, there) => {
            let place =
                ServerPath::resolve(declared, path).filter(|place| place.through_objects && !place.implied_id)?;
            let kind = doc! {"$type": format!("${}", place.path)};
            let word = if *there { "$ne" } else { "$eq" };
            doc! {word: [kind, "missing"]}.into()
        }
        Filter::Contains(..) | Filter::Text(..) => return None,
    })
}

fn equality_expression(place: &ServerPath, wanted: &Json) -> Bson {
    let wanted = match wanted {
        Json::Null => Some(Bson::Null),
        Json::Array(_) | Json::Object(_) => None,
        wanted => comparison_value(place.kind, ComparisonOperator::Eq, wanted),
    };
    wanted.map_or(false.into(), |wanted| doc! {"$eq": [field_expression(place), literal(wanted)]}.into())
}

/// Expressions order values of every type. Null is less than all others, so it is excluded.
fn comparison_expression(place: &ServerPath, op: ComparisonOperator, bound: &Json) -> Bson {
    let bound = match bound {
        Json::Null if matches!(op, ComparisonOperator::Lte | ComparisonOperator::Gte) => {
            return equality_expression(place, bound);
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        // A value of another kind is never less or greater.
        bound if !matches_kind(place, bound) => None,
        bound => comparison_value(place.kind, op, bound),
    };
    let Some(bound) = bound else { return false.into() };
    let there = doc! {"$gt": [field_expression(place), Bson::Null]};
    doc! {"$and": [there, {op.as_str(): [field_expression(place), literal(bound)]}]}.into()
}

/// Whether a value has the kind that the field holds.
fn matches_kind(place: &ServerPath, value: &Json) -> bool {
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
