//! Paths into documents: `state.status`, `heap.pages.17`. On the wire a path is a list, so that a key may contain a
//! dot.
//!
//! The difference between two versions of a document is the paths to set and the paths to unset. The cost of a write
//! therefore depends on the change and not on the size of the document.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::bounds::{JsonSize, entries_size};
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
        let invalid = |_| E::invalid_value(Unexpected::Unsigned(index), &self);
        u32::try_from(index).map(Segment::Index).map_err(invalid)
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

    /// Sets the value at this path. Returns `false` if a parent is missing or of another kind. Setting the element just
    /// after the end of a list appends it.
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
/// let found = runstate_value::get(document.as_object().unwrap(), "state.status");
/// assert_eq!(found, Some(&"running".into()));
/// ```
pub fn get<'a>(document: &'a Document, path: &str) -> Option<&'a Json> {
    match path.split_once('.') {
        None => document.get(path),
        Some((first, rest)) => get(document.get(first)?.as_object()?, rest),
    }
}

/// A difference that turns one document into another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The values to set, with their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(FieldPath, Json)>,
    /// The keys to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<FieldPath>,
}

impl Difference {
    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    /// Applies the difference. Returns `false`, with `document` partly changed, if a path does not exist in it.
    pub fn apply(&self, document: &mut Document) -> bool {
        self.unset.iter().all(|path| path.unset(document))
            && self.set.iter().all(|(path, value)| path.set(document, value.clone()))
    }

    /// Returns whether applying the difference to `before` gives `after`. This copies `before`.
    pub fn transforms(&self, before: &Document, after: &Document) -> bool {
        let mut document = before.clone();
        self.apply(&mut document) && document == *after
    }

    /// Returns whether `after` has all set values and no unset key. The cost depends on the difference only.
    pub fn is_consistent_with(&self, after: &Document) -> bool {
        self.set.iter().all(|(path, value)| path.get(after) == Some(value))
            && self.unset.iter().all(|path| path.get(after).is_none())
    }
}

impl JsonSize for Difference {
    fn json_size(&self) -> usize {
        let index_size = |index: u32| Json::from(index).json_size();
        let segment_size = |segment: &Segment| match segment {
            Segment::Index(index) => index_size(*index),
            Segment::Key(key) => key.json_size(),
        };
        let path_size = |path: &FieldPath| entries_size(path.0.iter().map(segment_size));
        let set = self.set.iter().map(|(path, value)| 3 + path_size(path) + value.json_size());
        let unset = self.unset.iter().map(path_size);
        // The names with quotes and a colon, and brackets.
        let lists = [
            (!self.set.is_empty()).then(|| r#""set":"#.len() + entries_size(set)),
            (!self.unset.is_empty()).then(|| r#""unset":"#.len() + entries_size(unset)),
        ];
        entries_size(lists.into_iter().flatten().collect::<Vec<_>>().into_iter())
    }
}

/// Returns the difference that turns `before` into `after`.
///
/// It descends into objects. It descends into a list only if the list did not shrink and most of its elements are
/// unchanged; otherwise it sets the whole list.
pub fn difference(before: &Document, after: &Document) -> Difference {
    let mut changes = Difference::default();
    diff_objects(before, after, &mut Vec::new(), &mut changes);
    changes
}

fn diff_objects(before: &Document, after: &Document, at: &mut Vec<Segment>, changes: &mut Difference) {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        changes.unset.push(child_path(at, Segment::Key(key.clone())));
    }
    for (key, new) in after {
        match before.get(key) {
            Some(old) if old == new => {}
            Some(old) => diff_values(old, new, at, Segment::Key(key.clone()), changes),
            None => changes.set.push((child_path(at, Segment::Key(key.clone())), new.clone())),
        }
    }
}

fn diff_values(old: &Json, new: &Json, at: &mut Vec<Segment>, segment: Segment, changes: &mut Difference) {
    match (old, new) {
        _ if old == new => {}
        // An object that becomes empty is set whole, so that no store has to distinguish "empty" from "all keys
        // removed".
        (Json::Object(old), Json::Object(new)) if !new.is_empty() && !old.is_empty() => {
            at.push(segment);
            diff_objects(old, new, at, changes);
            at.pop();
        }
        (Json::Array(old), Json::Array(new)) if should_diff_elements(old, new) => {
            at.push(segment);
            for (i, value) in new.iter().enumerate() {
                let index = Segment::Index(u32::try_from(i).unwrap_or(u32::MAX));
                match old.get(i) {
                    Some(before) => diff_values(before, value, at, index, changes),
                    None => changes.set.push((child_path(at, index), value.clone())),
                }
            }
            at.pop();
        }
        _ => changes.set.push((child_path(at, segment), new.clone())),
    }
}

/// Returns whether setting the changed elements of a list is shorter than setting the list. Each element repeats the
/// path.
fn should_diff_elements(old: &[Json], new: &[Json]) -> bool {
    let changed = old.iter().zip(new).filter(|(a, b)| a != b).count() + new.len().saturating_sub(old.len());
    !old.is_empty() && new.len() >= old.len() && changed * 4 <= new.len()
}

fn child_path(at: &[Segment], last: Segment) -> FieldPath {
    FieldPath(at.iter().cloned().chain([last]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (0..4i64).prop_map(Json::from),
            "[a.$]{0,2}".prop_map(Json::from)
        ];
        leaf.prop_recursive(4, 64, 12, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..12).prop_map(Json::from),
                prop::collection::btree_map("[a-c.]{0,2}", inner, 0..4)
                    .prop_map(|m| m.into_iter().collect::<Document>().into()),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Document> {
        prop::collection::btree_map("[a-c.]{0,2}", json(), 0..4).prop_map(|m| m.into_iter().collect())
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_later_document(before in document(), after in document()) {
            let found = difference(&before, &after);
            let wire = serde_json::to_string(&found).unwrap();
            let mut changed = before.clone();
            prop_assert!(serde_json::from_str::<Difference>(&wire).unwrap().apply(&mut changed));
            prop_assert_eq!(found.json_size(), wire.len());
            prop_assert_eq!(&changed, &after);
            prop_assert!(found.transforms(&before, &after) && found.is_consistent_with(&after));
            prop_assert_eq!(found.is_empty(), before == after);
        }
    }

    #[test]
    fn a_difference_to_another_document_is_detected() {
        let to_document = |json: Json| json.as_object().unwrap().clone();
        let (before, after) =
            (to_document(serde_json::json!({"a": 1, "b": 2})), to_document(serde_json::json!({"a": {"x": 1}})));
        let found = difference(&before, &after);
        for other in [serde_json::json!({"a": {"x": 2}}), serde_json::json!({"a": {"x": 1}, "b": 2})] {
            assert!(!found.is_consistent_with(&to_document(other)));
        }
        let more = to_document(serde_json::json!({"a": {"x": 1}, "c": 1}));
        assert!(found.is_consistent_with(&more) && !found.transforms(&before, &more));
    }

    #[test]
    fn one_changed_element_of_a_long_list_is_set_alone() {
        let before = serde_json::json!({"heap": {"pages": vec![1; 1000]}});
        let mut after = before.clone();
        after["heap"]["pages"][17] = 2.into();
        after["heap"]["pages"].as_array_mut().unwrap().push(3.into());
        let found = difference(before.as_object().unwrap(), after.as_object().unwrap());
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"set":[[["heap","pages",17],2],[["heap","pages",1000],3]]}"#
        );
    }
}
