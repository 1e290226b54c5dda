//! Paths into documents: `state.status`, `heap.pages.17`. On the wire a path is a list, so that a key may contain a dot.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Document, Json};

/// One step of a path: a key of an object or an index of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// The element of a list.
    Index(u32),
    /// The value under a key.
    Key(String),
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SegmentVisitor)
    }
}

struct SegmentVisitor;

impl Visitor<'_> for SegmentVisitor {
    type Value = Segment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index or a key")
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<Segment, E> {
        let wrong = |_| E::invalid_value(Unexpected::Unsigned(index), &self);
        u32::try_from(index).map(Segment::Index).map_err(wrong)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Segment, E> {
        Ok(Segment::Key(key.to_owned()))
    }
}

/// The path of a value in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(pub Vec<Segment>);

impl FieldPath {
    /// Returns the value at this path; `None` if it is missing.
    pub fn get<'a>(&self, document: &'a Document) -> Option<&'a Json> {
        let (Segment::Key(first), rest) = self.0.split_first()? else { return None };
        rest.iter().try_fold(document.get(first)?, |value, segment| match (value, segment) {
            (Json::Object(map), Segment::Key(key)) => map.get(key),
            (Json::Array(list), Segment::Index(i)) => list.get(*i as usize),
            _ => None,
        })
    }

    /// Sets the value at this path. Returns `false` if a parent is missing or of another kind. Setting the element just after the
    /// end of a list appends it.
    pub fn set(&self, document: &mut Document, value: Json) -> bool {
        let Some((Segment::Key(first), rest)) = self.0.split_first() else { return false };
        let Some((last, between)) = rest.split_last() else {
            document.insert(first.clone(), value);
            return true;
        };
        let Some(parent) = document.get_mut(first).and_then(|v| descend_mut(v, between)) else { return false };
        match (parent, last) {
            (Json::Object(map), Segment::Key(key)) => {
                map.insert(key.clone(), value);
                true
            }
            (Json::Array(list), Segment::Index(i)) => match (*i as usize).cmp(&list.len()) {
                std::cmp::Ordering::Less => {
                    list[*i as usize] = value;
                    true
                }
                std::cmp::Ordering::Equal => {
                    list.push(value);
                    true
                }
                std::cmp::Ordering::Greater => false,
            },
            _ => false,
        }
    }

    /// Removes the key at this path. Returns `false` if it does not exist. Elements of lists cannot be removed by path.
    pub fn unset(&self, document: &mut Document) -> bool {
        let Some((Segment::Key(first), rest)) = self.0.split_first() else { return false };
        let Some((last, between)) = rest.split_last() else { return document.remove(first).is_some() };
        match (document.get_mut(first).and_then(|v| descend_mut(v, between)), last) {
            (Some(Json::Object(map)), Segment::Key(key)) => map.remove(key).is_some(),
            _ => false,
        }
    }
}

fn descend_mut<'a>(from: &'a mut Json, segments: &[Segment]) -> Option<&'a mut Json> {
    segments.iter().try_fold(from, |value, segment| match (value, segment) {
        (Json::Object(map), Segment::Key(key)) => map.get_mut(key),
        (Json::Array(list), Segment::Index(i)) => list.get_mut(*i as usize),
        _ => None,
    })
}

/// Returns the value at the dotted `path` of a declared field; `None` if it is missing.
///
/// ```
/// let document = serde_json::json!({"state": {"status": "running"}});
/// let found = runstate::value::get(document.as_object().unwrap(), "state.status");
/// assert_eq!(found, Some(&"running".into()));
/// ```
pub fn get<'a>(document: &'a Document, path: &str) -> Option<&'a Json> {
    match path.split_once('.') {
        None => document.get(path),
        Some((first, rest)) => get(document.get(first)?.as_object()?, rest),
    }
}
