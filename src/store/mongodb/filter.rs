//! Filters in the server's query language: a condition for at least what the reference implementation (`store::eval`) matches, in a form that
//! indexes can serve. The reference implementation then checks each returned document.

use mongodb::bson::{Bson, Document as Doc, Regex, doc};

use super::codec::CollectionCodec;
use super::condition::{ComparisonOperator, ServerCondition, ServerPath, comparison_value, equality_value};
use crate::schema::{Filter, Kind};
use crate::value::{Json, words};

/// Deeper filters are not translated, since the server limits the depth of a command.
const MAX_DEPTH: usize = 30;

/// How many characters of a word the server searches for.
const WORD_CHARS: usize = 64;

/// A condition that holds at least for the matching documents.
pub(super) fn translate(codec: &CollectionCodec, filter: &Filter) -> ServerCondition {
    Translation { codec }.translate_part(filter, true, MAX_DEPTH)
}

struct Translation<'a> {
    codec: &'a CollectionCodec,
}

impl Translation<'_> {
    /// Translates the filter if `holds`, otherwise its negation. Negation is pushed inside, where indexes can serve it.
    fn translate_part(&self, filter: &Filter, holds: bool, levels: usize) -> ServerCondition {
        let Some(levels) = levels.checked_sub(1) else { return ServerCondition::UNTRANSLATABLE };
        let parts = |all: &[Filter]| all.iter().map(|inner| self.translate_part(inner, holds, levels)).collect();
        match filter {
            Filter::All if holds => ServerCondition::every(),
            Filter::All => ServerCondition::NEVER,
            Filter::Not(inner) => self.translate_part(inner, !holds, levels),
            Filter::And(all) if holds => ServerCondition::all(parts(all)),
            Filter::And(all) => ServerCondition::any(parts(all)),
            Filter::Or(any) if holds => ServerCondition::any(parts(any)),
            Filter::Or(any) => ServerCondition::all(parts(any)),
            Filter::Ne(path, value) => {
                self.negated_unless(!holds, self.at_path(path, |field| equality_condition(field, value)))
            }
            Filter::Exists(path, expected) => self.at_path(path, |field| exists(field, *expected == holds)),
            Filter::Eq(path, value) => {
                self.negated_unless(holds, self.at_path(path, |field| equality_condition(field, value)))
            }
            Filter::In(path, values) => self.negated_unless(holds, self.at_path(path, |field| one_of(field, values))),
            Filter::Lt(path, value) => self.negated_unless(
                holds,
                self.at_path(path, |field| comparison_condition(field, ComparisonOperator::Lt, value)),
            ),
            Filter::Lte(path, value) => self.negated_unless(
                holds,
                self.at_path(path, |field| comparison_condition(field, ComparisonOperator::Lte, value)),
            ),
            Filter::Gt(path, value) => self.negated_unless(
                holds,
                self.at_path(path, |field| comparison_condition(field, ComparisonOperator::Gt, value)),
            ),
            Filter::Gte(path, value) => self.negated_unless(
                holds,
                self.at_path(path, |field| comparison_condition(field, ComparisonOperator::Gte, value)),
            ),
            Filter::Contains(path, value) => {
                self.negated_unless(holds, self.at_path(path, |field| self.contains(field, value, levels)))
            }
            Filter::Text(path, text) => self.negated_unless(holds, self.at_path(path, |field| has_words(field, text))),
        }
    }

    fn negated_unless(&self, holds: bool, condition: ServerCondition) -> ServerCondition {
        if holds { condition } else { condition.not() }
    }

    /// Builds the condition on a field. For a document's own id that covers both `id` and `_id`, since `id` may be left out.
    fn at_path(&self, path: &str, build: impl Fn(&ServerPath) -> ServerCondition) -> ServerCondition {
        let Some(field) = ServerPath::resolve(self.codec, path) else { return ServerCondition::UNTRANSLATABLE };
        if !field.implied_id {
            return build(&field);
        }
        let id_field = ServerPath { path: "_id".to_owned(), ..field.clone() };
        let implied = ServerCondition::new(doc! {"id": {"$exists": false}}, true);
        let written = ServerCondition::new(doc! {"id": {"$exists": true}}, true);
        ServerCondition::any(vec![
            ServerCondition::all(vec![implied, build(&id_field)]),
            ServerCondition::all(vec![written, build(&field)]),
        ])
    }

    fn contains(&self, field: &ServerPath, value: &Json, levels: usize) -> ServerCondition {
        let levels = levels.checked_sub(1);
        match (value, levels) {
            (Json::Array(_) | Json::Object(_), _) if field.is_scalar() => ServerCondition::NEVER,
            (Json::Null, _) if field.through_objects => {
                field_condition(field, doc! {"$eq": Bson::Null, "$exists": true}, field.through_objects)
            }
            (Json::Null, _) => field_condition(field, doc! {"$exists": true}, false),
            (Json::Array(_), _) => match equality_value(value) {
                Some(list) => field_condition(field, doc! {"$eq": list}, false),
                None => field_condition(field, doc! {"$type": "array"}, false),
            },
            (Json::Object(wanted), Some(levels)) => {
                let inner = |(key, value): (&String, &Json)| {
                    let path = format!("{}.{key}", field.path);
                    // A dot in a key would address a field below it.
                    let inner = if key.contains('.') { None } else { ServerPath::resolve(self.codec, &path) };
                    inner.map_or(ServerCondition::UNTRANSLATABLE, |inner| self.contains(&inner, value, levels))
                };
                let object = std::iter::once(field_condition(field, doc! {"$type": "object"}, false));
                let all = ServerCondition::all(object.chain(wanted.iter().map(inner)).collect());
                ServerCondition::any(vec![field_condition(field, doc! {"$type": "array"}, false), all])
            }
            (Json::Object(_), None) => ServerCondition::UNTRANSLATABLE,
            (value, _) => match comparison_value(field.kind, ComparisonOperator::Eq, value) {
                None => ServerCondition::NEVER,
                // Contained decimals are compared as texts: `1.50` is not `1.5`.
                Some(value) => {
                    field_condition(field, doc! {"$eq": value}, field.through_objects && field.kind != Kind::Decimal)
                }
            },
        }
    }
}

fn field_condition(field: &ServerPath, condition: Doc, exact: bool) -> ServerCondition {
    ServerCondition::new(doc! {&field.path: condition}, exact)
}

fn equality_condition(field: &ServerPath, value: &Json) -> ServerCondition {
    match value {
        // If `a` is a list, the server may not match `a.b` as null.
        Json::Null if !field.through_objects => ServerCondition::UNTRANSLATABLE,
        Json::Null => field_condition(field, doc! {"$eq": Bson::Null}, field.is_scalar()),
        Json::Array(_) | Json::Object(_) if field.is_scalar() => ServerCondition::NEVER,
        Json::Array(_) => match equality_value(value) {
            Some(list) => field_condition(field, doc! {"$eq": list}, false),
            None => field_condition(field, doc! {"$type": "array"}, false),
        },
        Json::Object(_) => field_condition(field, doc! {"$type": "object"}, false),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            match comparison_value(field.kind, ComparisonOperator::Eq, value) {
                Some(value) => field_condition(field, doc! {"$eq": value}, field.is_comparable()),
                None => ServerCondition::NEVER,
            }
        }
    }
}

fn one_of(field: &ServerPath, values: &[Json]) -> ServerCondition {
    let single = |value: &Json| !value.is_array() && !value.is_object() && (field.through_objects || !value.is_null());
    if !values.iter().all(single) {
        return ServerCondition::any(values.iter().map(|value| equality_condition(field, value)).collect());
    }
    let listed = values.iter().filter_map(|value| match value {
        Json::Null => Some(Bson::Null),
        value => comparison_value(field.kind, ComparisonOperator::Eq, value),
    });
    let listed: Vec<Bson> = listed.collect();
    if listed.is_empty() {
        ServerCondition::NEVER
    } else {
        field_condition(field, doc! {"$in": listed}, field.is_comparable())
    }
}

/// The server, too, compares only values of one kind (type bracketing).
fn comparison_condition(field: &ServerPath, op: ComparisonOperator, value: &Json) -> ServerCondition {
    match (value, op) {
        (Json::Null, ComparisonOperator::Lt | ComparisonOperator::Gt) => ServerCondition::NEVER,
        (Json::Null, _) => equality_condition(field, value),
        (Json::Array(_) | Json::Object(_), _) if field.is_scalar() => ServerCondition::NEVER,
        // The server orders lists and objects differently.
        (Json::Array(_), _) => field_condition(field, doc! {"$type": "array"}, false),
        (Json::Object(_), _) => field_condition(field, doc! {"$type": "object"}, false),
        (value, op) => match comparison_value(field.kind, op, value) {
            Some(value) => field_condition(field, doc! {op.as_str(): value}, field.is_comparable()),
            None => ServerCondition::NEVER,
        },
    }
}

fn exists(field: &ServerPath, expected: bool) -> ServerCondition {
    match (expected, field.through_objects) {
        (true, exact) => field_condition(field, doc! {"$exists": true}, exact),
        // The condition on null adds nothing, but partial indexes can be declared with it.
        (false, true) => field_condition(field, doc! {"$eq": Bson::Null, "$exists": false}, true),
        (false, false) => ServerCondition::UNTRANSLATABLE,
    }
}

/// The server's text search splits words differently and misses some matches. A regular expression finds texts that contain the letters.
fn has_words(field: &ServerPath, text: &str) -> ServerCondition {
    let words: Vec<String> = words(text).collect();
    match field.kind {
        _ if words.is_empty() => ServerCondition::every(),
        // The stored value is not the document's text.
        Kind::Decimal => ServerCondition::UNTRANSLATABLE,
        _ => {
            let word_condition = |word: &String| match word_regex(word) {
                Some(pattern) => field_condition(field, doc! {"$regex": pattern}, false),
                None => field_condition(field, doc! {"$type": "string"}, false),
            };
            ServerCondition::all(words.iter().map(word_condition).collect())
        }
    }
}

/// A word with each letter in both cases. Of all other characters only the Kelvin sign (U+212A) becomes an ASCII letter in lower case. `None`
/// if the word is not ASCII: other letters may have more than two cases.
fn word_regex(word: &str) -> Option<Regex> {
    let letter = |c: char| match c {
        'k' => Some(r"[kK\x{212A}]".to_owned()),
        'a'..='z' => Some(format!("[{c}{}]", c.to_ascii_uppercase())),
        '0'..='9' => Some(c.to_string()),
        _ => None,
    };
    let pattern = word.chars().take(WORD_CHARS).map(letter).collect::<Option<String>>()?;
    Some(Regex { pattern: pattern.as_str().try_into().ok()?, options: "".try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::condition::Condition;
    use super::*;
    use crate::schema::{Collection, Field};

    const C: Collection = Collection::new("t.c", 1).fields(&[
        Field::id("id"),
        Field::text("name").optional(),
        Field::int("n").optional(),
        Field::timestamp("at").optional(),
        Field::decimal("cost").optional(),
        Field::json("any").optional(),
        Field::list("tags").optional(),
        Field::object("meta").optional(),
        Field::timestamp("meta.at").optional(),
        Field::int("loose.n").optional(),
    ]);

    fn translated(filter: Filter) -> (Doc, bool) {
        let ServerCondition { condition, exact } = translate(&CollectionCodec::new(&C), &filter);
        (condition.filter(), exact)
    }

    fn p(path: &str) -> String {
        path.to_owned()
    }

    fn nothing() -> (Doc, bool) {
        (Condition::Never.filter(), true)
    }

    #[test]
    fn values_are_compared_in_their_stored_types() {
        let at = |millis| Bson::from(DateTime::from_millis(millis));
        assert_eq!(translated(Filter::Gte(p("at"), json!(5))), (doc! {"at": {"$gte": at(5)}}, true));
        assert_eq!(translated(Filter::Gt(p("at"), json!(5.5))), (doc! {"at": {"$gt": at(5)}}, true));
        assert_eq!(translated(Filter::Lt(p("at"), json!(5.5))), (doc! {"at": {"$lt": at(6)}}, true));
        assert_eq!(translated(Filter::Gte(p("at"), json!(i64::MIN))), (doc! {"at": {"$gte": at(i64::MIN)}}, true));
        assert_eq!(translated(Filter::Eq(p("at"), json!(5.5))), nothing());
        assert_eq!(translated(Filter::Eq(p("at"), json!("5"))), nothing());
        assert_eq!(translated(Filter::Eq(p("cost"), json!(5))), nothing());
        assert_eq!(translated(Filter::Lt(p("cost"), json!("1e3"))), nothing());
        assert_eq!(translated(Filter::Lt(p("n"), Json::Null)), nothing());
        assert_eq!(translated(Filter::In(p("at"), vec![])), nothing());
        assert_eq!(
            translated(Filter::In(p("meta.at"), vec![Json::Null, json!(1), json!("x")])),
            (doc! {"meta.at": {"$in": [Bson::Null, at(1)]}}, true)
        );
        // Beyond the safe integers numbers are compared as doubles.
        assert_eq!(translated(Filter::Eq(p("n"), json!(i64::MAX))), (doc! {"n": {"$eq": i64::MAX as f64}}, true));
    }

    #[test]
    fn inexact_filter_selects_a_superset() {
        // The field may be a list that holds the value. The server matches it too, so the negation is not translated.
        assert_eq!(translated(Filter::Eq(p("any"), json!(1))), (doc! {"any": {"$eq": 1i64}}, false));
        assert_eq!(translated(Filter::Ne(p("any"), json!(1))), (doc! {}, false));
        assert_eq!(translated(Filter::Ne(p("n"), json!(1))), (doc! {"$nor": [{"n": {"$eq": 1i64}}]}, true));
        // `loose` may be a list, and the server's paths lead into lists.
        assert_eq!(translated(Filter::Eq(p("loose.n"), json!(1))), (doc! {"loose.n": {"$eq": 1i64}}, false));
        for filter in [Filter::Eq(p("loose.n"), Json::Null), Filter::Exists(p("loose.n"), false)] {
            assert_eq!(translated(filter), (doc! {}, false));
        }
        // The server compares objects by the order of their keys.
        assert_eq!(translated(Filter::Eq(p("any"), json!([{}]))), (doc! {"any": {"$type": "array"}}, false));
        for path in ["_rev", "_id.x", "", "a..b", "any.$x", "a\u{0}"] {
            assert_eq!(translated(Filter::Eq(p(path), json!(1))), (doc! {}, false), "{path:?}");
        }
        assert_eq!(
            translated(Filter::Text(p("name"), p("é k7"))).0,
            doc! {"$and": [
                {"name": {"$type": "string"}},
                {"name": {"$regex": Regex { pattern: c_text(r"[kK\x{212A}]7"), options: c_text("") }}},
            ]}
        );
    }

    fn c_text(text: &str) -> mongodb::bson::raw::CString {
        text.try_into().unwrap()
    }

    #[test]
    fn missing_field_filter_can_use_a_partial_index() {
        let missing = (doc! {"n": {"$eq": Bson::Null, "$exists": false}}, true);
        assert_eq!(translated(Filter::Exists(p("n"), false)), missing);
        assert_eq!(translated(Filter::Not(Box::new(Filter::Exists(p("n"), true)))), missing);
    }

    #[test]
    fn negation_is_pushed_inside() {
        let either = Filter::Or(vec![Filter::Exists(p("n"), true), Filter::Eq(p("any"), json!(1))]);
        let neither = (doc! {"n": {"$eq": Bson::Null, "$exists": false}}, false);
        assert_eq!(translated(Filter::Not(Box::new(either))), neither);
        assert_eq!(translated(Filter::Not(Box::new(Filter::All))), nothing());
        assert_eq!(translated(Filter::Or(vec![])), nothing());
        assert_eq!(translated(Filter::And(vec![Filter::Or(vec![]), Filter::Eq(p("any"), json!(1))])), nothing());
    }

    #[test]
    fn own_id_is_matched_in_both_id_fields() {
        let left_out = doc! {"$and": [{"id": {"$exists": false}}, {"_id": {"$gt": "a"}}]};
        let written = doc! {"$and": [{"id": {"$exists": true}}, {"id": {"$gt": "a"}}]};
        assert_eq!(translated(Filter::Gt(p("id"), json!("a"))), (doc! {"$or": [left_out, written]}, true));
    }

    #[test]
    fn deeply_nested_filter_is_not_translated() {
        let deep = (0..1_000).fold(Filter::Eq(p("n"), json!(1)), |inner, _| Filter::Or(vec![inner]));
        assert_eq!(translated(deep), (doc! {}, false));
    }

    proptest! {
        #[test]
        fn any_path_and_text_can_be_translated(path in "\\PC{0,4}(\\.\\PC{0,3}){0,2}\u{0}?", text in "\\PC{0,12}\u{0}?") {
            for filter in [
                Filter::Eq(path.clone(), json!(text)),
                Filter::Exists(path.clone(), false),
                Filter::Contains(path.clone(), json!({&text: [{&text: 1}]})),
                Filter::Text(path.clone(), text.clone()),
                Filter::Text(p("name"), text.clone()),
            ] {
                let (condition, _) = translated(filter);
                prop_assert!(mongodb::bson::RawDocumentBuf::try_from(&condition).is_ok());
            }
        }
    }
}
