//! Whether a document matches a filter.

use std::cmp::Ordering;

use crate::schema::{Collection, Filter, Kind, parse_decimal};
use crate::value::{Document, Json, compare, get, same, words};

/// Whether `document` of `collection` matches `filter`.
///
/// There are two answers only: what does not match, its [`Filter::Not`] does.
pub fn matches(collection: &Collection, filter: &Filter, document: &Document) -> bool {
    let field = |path: &str| get(document, path).unwrap_or(&Json::Null);
    let order = |path: &str, value: &Json| ordered(collection.kind_of(path), field(path), value);
    match filter {
        Filter::All => true,
        Filter::Eq(path, value) => equal(collection.kind_of(path), field(path), value),
        Filter::Ne(path, value) => !equal(collection.kind_of(path), field(path), value),
        Filter::In(path, values) => {
            let (kind, found) = (collection.kind_of(path), field(path));
            values.iter().any(|value| equal(kind, found, value))
        }
        Filter::Lt(path, value) => order(path, value).is_some_and(Ordering::is_lt),
        Filter::Lte(path, value) => order(path, value).is_some_and(Ordering::is_le),
        Filter::Gt(path, value) => order(path, value).is_some_and(Ordering::is_gt),
        Filter::Gte(path, value) => order(path, value).is_some_and(Ordering::is_ge),
        Filter::Exists(path, there) => get(document, path).is_some() == *there,
        Filter::Contains(path, value) => get(document, path).is_some_and(|found| contains(found, value)),
        Filter::Text(path, asked) => {
            let text = field(path).as_str().unwrap_or_default();
            let there: Vec<String> = words(text).collect();
            words(asked).all(|word| there.contains(&word))
        }
        Filter::And(all) => all.iter().all(|f| matches(collection, f, document)),
        Filter::Or(any) => any.iter().any(|f| matches(collection, f, document)),
        Filter::Not(inner) => !matches(collection, inner, document),
    }
}

/// `1.50` and `1.5` are one decimal; elsewhere texts are equal byte by byte.
fn equal(kind: Kind, a: &Json, b: &Json) -> bool {
    match decimals(kind, a, b) {
        Some(order) => order.is_eq(),
        None => same(a, b),
    }
}

/// How two values of one kind stand to each other; none: they are of two kinds.
fn ordered(kind: Kind, a: &Json, b: &Json) -> Option<Ordering> {
    let one_kind = match (a, b) {
        (Json::Null, Json::Null)
        | (Json::Bool(_), Json::Bool(_))
        | (Json::Number(_), Json::Number(_))
        | (Json::Array(_), Json::Array(_))
        | (Json::Object(_), Json::Object(_)) => true,
        // In a decimal field a text that is no number is of another kind than one that is.
        (Json::String(a), Json::String(b)) => {
            kind != Kind::Decimal || parse_decimal(a).is_some() == parse_decimal(b).is_some()
        }
        _ => false,
    };
    one_kind.then(|| decimals(kind, a, b).unwrap_or_else(|| compare(a, b)))
}

fn decimals(kind: Kind, a: &Json, b: &Json) -> Option<Ordering> {
    let (Kind::Decimal, Json::String(a), Json::String(b)) = (kind, a, b) else { return None };
    Some(parse_decimal(a)?.cmp(&parse_decimal(b)?))
}

fn contains(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Array(items), wanted) => items.iter().any(|item| same(item, wanted)),
        (Json::Object(found), Json::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| contains(found, wanted)))
        }
        (found, wanted) => same(found, wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;
    use serde_json::json;

    const C: Collection = Collection::new("t.t", 1).fields(&[Field::decimal("money").optional()]);

    fn finds(filter: Filter, document: Json) -> bool {
        matches(&C, &filter, document.as_object().unwrap())
    }

    #[test]
    fn a_missing_field_is_null_and_kinds_do_not_mix() {
        let a = || "a".to_owned();
        assert!(finds(Filter::Eq(a(), Json::Null), json!({})));
        assert!(!finds(Filter::Exists(a(), true), json!({})));
        assert!(finds(Filter::Exists(a(), true), json!({"a": null})));
        assert!(!finds(Filter::Lt(a(), json!(1)), json!({})));
        assert!(!finds(Filter::Lt(a(), json!("1")), json!({"a": 0})));
        assert!(finds(Filter::Lte(a(), json!(1.0)), json!({"a": 1})));
        assert!(finds(Filter::Ne(a(), json!(1)), json!({})));
    }

    #[test]
    fn decimals_are_numbers_only_where_they_are_declared() {
        assert!(finds(Filter::Eq("money".into(), json!("1.50")), json!({"money": "1.5"})));
        assert!(finds(Filter::Lt("money".into(), json!("10")), json!({"money": "9"})));
        assert!(!finds(Filter::Lt("other".into(), json!("10")), json!({"other": "9"})));
    }

    #[test]
    fn containment_reaches_into_lists_and_objects() {
        let holds = |found: Json, wanted: Json| finds(Filter::Contains("a".into(), wanted), json!({"a": found}));
        assert!(holds(json!(["x", {"y": 1}]), json!({"y": 1.0})));
        assert!(!holds(json!([{"y": 1, "z": 2}]), json!({"y": 1})), "an element is compared whole");
        assert!(holds(json!({"y": {"z": [1, 2]}, "w": 0}), json!({"y": {"z": 2}})));
        assert!(!finds(Filter::Contains("a".into(), Json::Null), json!({})), "what is missing contains nothing");
    }

    #[test]
    fn words_are_found_whole_in_any_case_and_order() {
        let holds = |asked: &str| finds(Filter::Text("a".into(), asked.into()), json!({"a": "Émile's re-run, No 7"}));
        assert!(holds("RUN émile"));
        assert!(holds("7 s"));
        assert!(holds("  -- "), "no word asked for is no condition");
        assert!(!holds("emile"));
        assert!(!holds("ru"));
    }
}
