//! The order of the keys of a document. The server sorts the keys of an object in `jsonb` by their length, then by
//! their bytes. Where a value has another order, the row of its document has it too, beside the other fields:
//!
//! ```json
//! {"ranks": [1, 0], "in": {"name": {"ranks": [2, 0, 1]}, "list": {"each": {"ranks": [1, 0]}}}}
//! ```
//!
//! `ranks` are those of an object's keys in the server's order. `in` has the orders of the members of an object by their
//! names, of the elements of a list by their indices; `each` is the one of all elements. What does not fit a value is
//! ignored: SQL changed it.

use runstate_core::schema::Collection;
use runstate_value::{Document, Json, sort_by};
use serde_json::json;

use super::codec::escape;

/// The member of [`REST`](super::layout::REST) with the order, as it is stored. A stored name of a field differs: U+0001
/// is always followed by U+0001 or U+0002 there.
pub(super) const ORDER: &str = "\u{1}order";

/// The order of a document; `None`: it is the server's, as far as it has a meaning.
pub(super) fn order_of(collection: &Collection, document: &Document) -> Option<Json> {
    of_object(Some(&mut Structure { collection, path: Vec::new() }), document)
}

/// The path of an object in a document, as long as the objects around it are structure.
struct Structure<'a> {
    collection: &'a Collection,
    path: Vec<&'a str>,
}

fn of_object<'a>(structure: Option<&mut Structure<'a>>, members: &'a Document) -> Option<Json> {
    let structure = structure.filter(|at| at.collection.is_structure(at.path.iter().copied()));
    let mut order = Document::new();
    let mut inner = Document::new();
    if let Some(structure) = structure {
        for (name, value) in members {
            structure.path.push(name);
            inner.extend(of_value(Some(&mut *structure), value).map(|order| (name.clone(), order)));
            structure.path.pop();
        }
    } else {
        let keys: Vec<_> = members.keys().map(|key| escape(key)).collect();
        let mut positions: Vec<usize> = (0..keys.len()).collect();
        sort_by(&mut positions, |a, b| server_order(&keys[*a], &keys[*b]));
        if !positions.is_sorted() {
            let mut ranks = vec![0; keys.len()];
            positions.into_iter().enumerate().for_each(|(rank, position)| ranks[position] = rank);
            order.insert("ranks".to_owned(), json!(ranks));
        }
        inner.extend(members.iter().filter_map(|(name, value)| Some((name.clone(), of_value(None, value)?))));
    }
    finish(order, inner)
}

fn of_value<'a>(structure: Option<&mut Structure<'a>>, value: &'a Json) -> Option<Json> {
    match value {
        Json::Object(members) => of_object(structure, members),
        Json::Array(items) => {
            let orders: Vec<Option<Json>> = items.iter().map(|item| of_value(None, item)).collect();
            match orders.split_first() {
                Some((Some(first), rest)) if rest.iter().all(|one| one.as_ref() == Some(first)) => {
                    Some(json!({ "each": first }))
                }
                _ => {
                    let orders = orders.into_iter().enumerate();
                    finish(Document::new(), orders.filter_map(|(at, order)| Some((at.to_string(), order?))).collect())
                }
            }
        }
        _ => None,
    }
}

fn finish(mut order: Document, inner: Document) -> Option<Json> {
    if !inner.is_empty() {
        order.insert("in".to_owned(), Json::Object(inner));
    }
    (!order.is_empty()).then_some(Json::Object(order))
}

/// The order of two stored keys in an object of the server.
fn server_order(one: &str, other: &str) -> std::cmp::Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}

/// Puts the keys of a decoded document into their order. Those of an object inside it have the server's.
pub(super) fn restore(document: &mut Document, order: Option<&Json>) {
    let mut members: Vec<(String, Json)> = std::mem::take(document).into_iter().collect();
    sort_by(&mut members, |(one, _), (other, _)| server_order(&escape(one), &escape(other)));
    document.extend(members);
    if let Some(order) = order {
        restore_object(document, order);
    }
}

fn restore_object(members: &mut Document, order: &Json) {
    if let Some(ranks) = order.get("ranks").and_then(Json::as_array) {
        let mut sorted: Vec<Option<(String, Json)>> = std::mem::take(members).into_iter().map(Some).collect();
        for rank in ranks.iter().filter_map(Json::as_u64) {
            members.extend(usize::try_from(rank).ok().and_then(|rank| sorted.get_mut(rank)?.take()));
        }
        members.extend(sorted.into_iter().flatten());
    }
    for (name, order) in order.get("in").and_then(Json::as_object).into_iter().flatten() {
        if let Some(value) = members.get_mut(name) {
            restore_value(value, order);
        }
    }
}

fn restore_value(value: &mut Json, order: &Json) {
    match value {
        Json::Object(members) => restore_object(members, order),
        Json::Array(items) => items.iter_mut().enumerate().for_each(|(at, item)| {
            let inner = || order.get("in").and_then(|inner| inner.get(at.to_string()));
            if let Some(order) = order.get("each").or_else(inner) {
                restore_value(item, order);
            }
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runstate_core::schema::Field;
    use runstate_value::is_identical;

    use super::*;

    const FREE: Collection = Collection::new("documents.c", 1).keeps_order();
    const DECLARED: Collection =
        Collection::new("a.c", 1).fields(&[Field::json("input"), Field::text("state.status").optional()]);

    /// The value as `jsonb` returns it.
    fn sorted_by_server(value: &Json) -> Json {
        match value {
            Json::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by(|(one, _), (other, _)| server_order(&escape(one), &escape(other)));
                Json::Object(members.into_iter().map(|(key, value)| (key.clone(), sorted_by_server(value))).collect())
            }
            Json::Array(items) => items.iter().map(sorted_by_server).collect(),
            other => other.clone(),
        }
    }

    fn restored(collection: &Collection, document: &Json) -> Json {
        let document = document.as_object().unwrap();
        let order = order_of(collection, document);
        let Json::Object(mut read) = sorted_by_server(&Json::Object(document.clone())) else { unreachable!() };
        restore(&mut read, order.as_ref());
        Json::Object(read)
    }

    fn json_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![Just(Json::Null), (0..4i64).prop_map(Json::from)];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec(("[ab\u{0}\u{1}é]{0,3}", inner), 0..6)
                    .prop_map(|members| members.into_iter().collect::<Document>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_has_its_order_again(value in json_value()) {
            let document = json!({"input": value, "a": value});
            let read = restored(&FREE, &document);
            prop_assert!(is_identical(&read, &document), "{} {}", read, document);
            prop_assert!(is_identical(&restored(&DECLARED, &document)["input"], &document["input"]));
        }
    }

    #[test]
    fn only_an_order_that_differs_and_has_a_meaning_is_stored() {
        let stored = |collection: &Collection, text: &str| {
            order_of(collection, &serde_json::from_str(text).unwrap()).unwrap_or_default().to_string()
        };
        assert_eq!(stored(&FREE, r#"{"a":1,"b":2,"aa":{"x":1,"y":2}}"#), "null");
        assert_eq!(stored(&FREE, r#"{"b":1,"a":[{"y":1,"x":2},{"y":1,"x":2}]}"#), {
            r#"{"ranks":[1,0],"in":{"a":{"each":{"ranks":[1,0]}}}}"#
        });
        let declared = r#"{"state":{"status":"x","at":1,"inner":{"b":1,"a":2}},"input":{"b":1,"a":2}}"#;
        assert_eq!(
            stored(&DECLARED, declared),
            r#"{"in":{"state":{"in":{"inner":{"ranks":[1,0]}}},"input":{"ranks":[1,0]}}}"#
        );
    }

    #[test]
    fn an_order_that_does_not_fit_is_ignored() {
        let mut document: Document = serde_json::from_str(r#"{"a":1,"b":{"x":1}}"#).unwrap();
        let order = json!({"ranks": [7, 1, 1, "x"], "in": {"b": 3, "c": {}, "a": {"ranks": [0]}}});
        restore(&mut document, Some(&order));
        assert_eq!(Json::Object(document).to_string(), r#"{"b":{"x":1},"a":1}"#);
    }
}
