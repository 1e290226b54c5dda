//! Filters in the server's language: a condition for at least what the reference matches, such that indexes can serve it. What comes is
//! judged by the reference again.

use mongodb::bson::{Bson, Document as Doc, Regex, doc};

use super::codec::Declared;
use super::condition::Asked;
use super::place::{Op, Place, alike, compared};
use crate::schema::{Filter, Kind};
use crate::value::{Json, words};

/// Deeper than this is not said to the server, whose language is bounded.
const LEVELS: usize = 30;

/// As much of a word as is searched for by the server.
const WORD_CHARS: usize = 64;

/// A condition that holds at least for the documents that match.
pub(super) fn translate(declared: &Declared, filter: &Filter) -> Asked {
    Translation { declared }.part(filter, true, LEVELS)
}

struct Translation<'a> {
    declared: &'a Declared,
}

impl Translation<'_> {
    /// `holds`: whether the filter or its contrary is asked for. What is turned round further inside can be served by indexes.
    fn part(&self, filter: &Filter, holds: bool, levels: usize) -> Asked {
        let Some(levels) = levels.checked_sub(1) else { return Asked::UNSAID };
        let parts = |all: &[Filter]| all.iter().map(|inner| self.part(inner, holds, levels)).collect();
        match filter {
            Filter::All if holds => Asked::every(),
            Filter::All => Asked::NEVER,
            Filter::Not(inner) => self.part(inner, !holds, levels),
            Filter::And(all) if holds => Asked::all(parts(all)),
            Filter::And(all) => Asked::any(parts(all)),
            Filter::Or(any) if holds => Asked::any(parts(any)),
            Filter::Or(any) => Asked::all(parts(any)),
            Filter::Ne(path, value) => self.turned(!holds, self.at(path, |place| equal(place, value))),
            Filter::Exists(path, there) => self.at(path, |place| exists(place, *there == holds)),
            Filter::Eq(path, value) => self.turned(holds, self.at(path, |place| equal(place, value))),
            Filter::In(path, values) => self.turned(holds, self.at(path, |place| one_of(place, values))),
            Filter::Lt(path, value) => self.turned(holds, self.at(path, |place| ordered(place, Op::Lt, value))),
            Filter::Lte(path, value) => self.turned(holds, self.at(path, |place| ordered(place, Op::Lte, value))),
            Filter::Gt(path, value) => self.turned(holds, self.at(path, |place| ordered(place, Op::Gt, value))),
            Filter::Gte(path, value) => self.turned(holds, self.at(path, |place| ordered(place, Op::Gte, value))),
            Filter::Contains(path, value) => {
                self.turned(holds, self.at(path, |place| self.contains(place, value, levels)))
            }
            Filter::Text(path, asked) => self.turned(holds, self.at(path, |place| has_words(place, asked))),
        }
    }

    fn turned(&self, holds: bool, asked: Asked) -> Asked {
        if holds { asked } else { asked.not() }
    }

    /// What is asked of a place; of a document's own id where it stands.
    fn at(&self, path: &str, ask: impl Fn(&Place) -> Asked) -> Asked {
        let Some(place) = Place::of(self.declared, path) else { return Asked::UNSAID };
        if !place.implied {
            return ask(&place);
        }
        let own = Place { path: "_id".to_owned(), ..place.clone() };
        let left_out = Asked::of(doc! {"id": {"$exists": false}}, true);
        let written = Asked::of(doc! {"id": {"$exists": true}}, true);
        Asked::any(vec![Asked::all(vec![left_out, ask(&own)]), Asked::all(vec![written, ask(&place)])])
    }

    fn contains(&self, place: &Place, value: &Json, levels: usize) -> Asked {
        let levels = levels.checked_sub(1);
        match (value, levels) {
            (Json::Array(_) | Json::Object(_), _) if place.is_scalar() => Asked::NEVER,
            (Json::Null, _) if place.through_objects => {
                said(place, doc! {"$eq": Bson::Null, "$exists": true}, place.through_objects)
            }
            (Json::Null, _) => said(place, doc! {"$exists": true}, false),
            (Json::Array(_), _) => match alike(value) {
                Some(list) => said(place, doc! {"$eq": list}, false),
                None => said(place, doc! {"$type": "array"}, false),
            },
            (Json::Object(wanted), Some(levels)) => {
                let inner = |(key, value): (&String, &Json)| {
                    let path = format!("{}.{key}", place.path);
                    // A dot in a key leads further than the key.
                    let inner = if key.contains('.') { None } else { Place::of(self.declared, &path) };
                    inner.map_or(Asked::UNSAID, |inner| self.contains(&inner, value, levels))
                };
                let object = std::iter::once(said(place, doc! {"$type": "object"}, false));
                let all = Asked::all(object.chain(wanted.iter().map(inner)).collect());
                Asked::any(vec![said(place, doc! {"$type": "array"}, false), all])
            }
            (Json::Object(_), None) => Asked::UNSAID,
            (value, _) => match compared(place.kind, Op::Eq, value) {
                None => Asked::NEVER,
                // Decimals are contained as texts: `1.50` is not `1.5`.
                Some(value) => said(place, doc! {"$eq": value}, place.through_objects && place.kind != Kind::Decimal),
            },
        }
    }
}

fn said(place: &Place, what: Doc, exact: bool) -> Asked {
    Asked::of(doc! {&place.path: what}, exact)
}

fn equal(place: &Place, value: &Json) -> Asked {
    match value {
        // Of `a.b` the server does not say that it is null where `a` is a list.
        Json::Null if !place.through_objects => Asked::UNSAID,
        Json::Null => said(place, doc! {"$eq": Bson::Null}, place.is_scalar()),
        Json::Array(_) | Json::Object(_) if place.is_scalar() => Asked::NEVER,
        Json::Array(_) => match alike(value) {
            Some(list) => said(place, doc! {"$eq": list}, false),
            None => said(place, doc! {"$type": "array"}, false),
        },
        Json::Object(_) => said(place, doc! {"$type": "object"}, false),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => match compared(place.kind, Op::Eq, value) {
            Some(value) => said(place, doc! {"$eq": value}, place.is_plain()),
            None => Asked::NEVER,
        },
    }
}

fn one_of(place: &Place, values: &[Json]) -> Asked {
    let single = |value: &Json| !value.is_array() && !value.is_object() && (place.through_objects || !value.is_null());
    if !values.iter().all(single) {
        return Asked::any(values.iter().map(|value| equal(place, value)).collect());
    }
    let listed = values.iter().filter_map(|value| match value {
        Json::Null => Some(Bson::Null),
        value => compared(place.kind, Op::Eq, value),
    });
    let listed: Vec<Bson> = listed.collect();
    if listed.is_empty() { Asked::NEVER } else { said(place, doc! {"$in": listed}, place.is_plain()) }
}

/// The server too compares only what is of one kind.
fn ordered(place: &Place, op: Op, value: &Json) -> Asked {
    match (value, op) {
        (Json::Null, Op::Lt | Op::Gt) => Asked::NEVER,
        (Json::Null, _) => equal(place, value),
        (Json::Array(_) | Json::Object(_), _) if place.is_scalar() => Asked::NEVER,
        // Lists and objects it orders otherwise.
        (Json::Array(_), _) => said(place, doc! {"$type": "array"}, false),
        (Json::Object(_), _) => said(place, doc! {"$type": "object"}, false),
        (value, op) => match compared(place.kind, op, value) {
            Some(value) => said(place, doc! {op.word(): value}, place.is_plain()),
            None => Asked::NEVER,
        },
    }
}

fn exists(place: &Place, there: bool) -> Asked {
    match (there, place.through_objects) {
        (true, exact) => said(place, doc! {"$exists": true}, exact),
        // That it is null too says nothing more, but it is what partial indexes can be of.
        (false, true) => said(place, doc! {"$eq": Bson::Null, "$exists": false}, true),
        (false, false) => Asked::UNSAID,
    }
}

/// The server's own search of words splits them elsewhere and does not find all of ours. A pattern finds what holds the letters.
fn has_words(place: &Place, asked: &str) -> Asked {
    let words: Vec<String> = words(asked).collect();
    match place.kind {
        _ if words.is_empty() => Asked::every(),
        // Its text is not what the server keeps.
        Kind::Decimal => Asked::UNSAID,
        _ => {
            let one = |word: &String| match pattern(word) {
                Some(pattern) => said(place, doc! {"$regex": pattern}, false),
                None => said(place, doc! {"$type": "string"}, false),
            };
            Asked::all(words.iter().map(one).collect())
        }
    }
}

/// Letters in any case, spelled out: what else becomes a letter of ASCII in lower case is the sign for kelvin. `None`: not of ASCII, where
/// cases are more than two.
fn pattern(word: &str) -> Option<Regex> {
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

    fn asked(filter: Filter) -> (Doc, bool) {
        let Asked { condition, exact } = translate(&Declared::of(&C), &filter);
        (condition.filter(), exact)
    }

    fn p(path: &str) -> String {
        path.to_owned()
    }

    fn nothing() -> (Doc, bool) {
        (Condition::Never.filter(), true)
    }

    #[test]
    fn values_are_compared_as_they_are_kept() {
        let at = |millis| Bson::from(DateTime::from_millis(millis));
        assert_eq!(asked(Filter::Gte(p("at"), json!(5))), (doc! {"at": {"$gte": at(5)}}, true));
        assert_eq!(asked(Filter::Gt(p("at"), json!(5.5))), (doc! {"at": {"$gt": at(5)}}, true));
        assert_eq!(asked(Filter::Lt(p("at"), json!(5.5))), (doc! {"at": {"$lt": at(6)}}, true));
        assert_eq!(asked(Filter::Gte(p("at"), json!(i64::MIN))), (doc! {"at": {"$gte": at(i64::MIN)}}, true));
        assert_eq!(asked(Filter::Eq(p("at"), json!(5.5))), nothing());
        assert_eq!(asked(Filter::Eq(p("at"), json!("5"))), nothing());
        assert_eq!(asked(Filter::Eq(p("cost"), json!(5))), nothing());
        assert_eq!(asked(Filter::Lt(p("cost"), json!("1e3"))), nothing());
        assert_eq!(asked(Filter::Lt(p("n"), Json::Null)), nothing());
        assert_eq!(asked(Filter::In(p("at"), vec![])), nothing());
        assert_eq!(
            asked(Filter::In(p("meta.at"), vec![Json::Null, json!(1), json!("x")])),
            (doc! {"meta.at": {"$in": [Bson::Null, at(1)]}}, true)
        );
        // Beyond what is exact numbers are compared as doubles.
        assert_eq!(asked(Filter::Eq(p("n"), json!(i64::MAX))), (doc! {"n": {"$eq": i64::MAX as f64}}, true));
    }

    #[test]
    fn what_the_server_means_otherwise_is_asked_for_with_more() {
        // A list may hold the value; the server finds it then too, and does not tell that it is not there.
        assert_eq!(asked(Filter::Eq(p("any"), json!(1))), (doc! {"any": {"$eq": 1i64}}, false));
        assert_eq!(asked(Filter::Ne(p("any"), json!(1))), (doc! {}, false));
        assert_eq!(asked(Filter::Ne(p("n"), json!(1))), (doc! {"$nor": [{"n": {"$eq": 1i64}}]}, true));
        // Whatever stands at `loose` may be a list, into which the server reaches.
        assert_eq!(asked(Filter::Eq(p("loose.n"), json!(1))), (doc! {"loose.n": {"$eq": 1i64}}, false));
        for filter in [Filter::Eq(p("loose.n"), Json::Null), Filter::Exists(p("loose.n"), false)] {
            assert_eq!(asked(filter), (doc! {}, false));
        }
        // The order of keys is lost.
        assert_eq!(asked(Filter::Eq(p("any"), json!([{}]))), (doc! {"any": {"$type": "array"}}, false));
        for path in ["_rev", "_id.x", "", "a..b", "any.$x", "a\u{0}"] {
            assert_eq!(asked(Filter::Eq(p(path), json!(1))), (doc! {}, false), "{path:?}");
        }
        assert_eq!(
            asked(Filter::Text(p("name"), p("é k7"))).0,
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
    fn what_is_missing_is_asked_for_so_that_partial_indexes_serve_it() {
        let missing = (doc! {"n": {"$eq": Bson::Null, "$exists": false}}, true);
        assert_eq!(asked(Filter::Exists(p("n"), false)), missing);
        assert_eq!(asked(Filter::Not(Box::new(Filter::Exists(p("n"), true)))), missing);
    }

    #[test]
    fn the_contrary_is_turned_round_inside() {
        let either = Filter::Or(vec![Filter::Exists(p("n"), true), Filter::Eq(p("any"), json!(1))]);
        let neither = (doc! {"n": {"$eq": Bson::Null, "$exists": false}}, false);
        assert_eq!(asked(Filter::Not(Box::new(either))), neither);
        assert_eq!(asked(Filter::Not(Box::new(Filter::All))), nothing());
        assert_eq!(asked(Filter::Or(vec![])), nothing());
        assert_eq!(asked(Filter::And(vec![Filter::Or(vec![]), Filter::Eq(p("any"), json!(1))])), nothing());
    }

    #[test]
    fn the_own_id_is_found_where_it_stands() {
        let left_out = doc! {"$and": [{"id": {"$exists": false}}, {"_id": {"$gt": "a"}}]};
        let written = doc! {"$and": [{"id": {"$exists": true}}, {"id": {"$gt": "a"}}]};
        assert_eq!(asked(Filter::Gt(p("id"), json!("a"))), (doc! {"$or": [left_out, written]}, true));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = (0..1_000).fold(Filter::Eq(p("n"), json!(1)), |inner, _| Filter::Or(vec![inner]));
        assert_eq!(asked(deep), (doc! {}, false));
    }

    proptest! {
        #[test]
        fn any_path_and_text_can_be_asked_for(path in "\\PC{0,4}(\\.\\PC{0,3}){0,2}\u{0}?", text in "\\PC{0,12}\u{0}?") {
            for filter in [
                Filter::Eq(path.clone(), json!(text)),
                Filter::Exists(path.clone(), false),
                Filter::Contains(path.clone(), json!({&text: [{&text: 1}]})),
                Filter::Text(path.clone(), text.clone()),
                Filter::Text(p("name"), text.clone()),
            ] {
                let (condition, _) = asked(filter);
                prop_assert!(mongodb::bson::RawDocumentBuf::try_from(&condition).is_ok());
            }
        }
    }
}
