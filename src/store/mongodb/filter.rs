//! Filters in the server's language: a condition for at least what the reference matches, such that indexes can serve it. What comes is
//! judged by the reference again.

use mongodb::bson::{Bson, Document as Doc, Regex, doc};

use super::codec::Declared;
use super::condition::Asked;
use super::place::{Op, Place, compared, without_objects};
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
            (Json::Array(_), _) => match without_objects(value) {
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
        Json::Array(_) => match without_objects(value) {
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
