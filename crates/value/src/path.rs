//! Paths into documents: `state.status`, `heap.pages.17`. On the wire a path is a list, so that a key may contain a
//! dot.
//!
//! The difference between two versions of a document is the paths to set and the paths to unset. The cost of a write
//! therefore depends on the change and not on the size of the document.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::bounds::{JsonSize, entries_size};
use super::{Document, Json, sort_by};

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
        let Some((last, between)) = rest.split_last() else { return document.shift_remove(first).is_some() };
        match (document.get_mut(first).and_then(|v| descend_mut(v, between)), last) {
            (Some(Json::Object(map)), Segment::Key(key)) => map.shift_remove(key).is_some(),
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
    /// The keys to remove first. One that is set, too, moves to the end.
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

    /// Returns whether applying the difference to `before` gives `after`, whatever the order of keys. This copies
    /// `before`.
    pub fn transforms(&self, before: &Document, after: &Document) -> bool {
        let mut document = before.clone();
        self.apply(&mut document) && document == *after
    }

    /// Returns whether `after` has all set values and no key that is only unset. The cost depends on the difference
    /// only.
    pub fn is_consistent_with(&self, after: &Document) -> bool {
        let is_set = |path: &FieldPath| self.set.iter().any(|(set, _)| set == path);
        self.set.iter().all(|(path, value)| path.get(after) == Some(value))
            && self.unset.iter().all(|path| path.get(after).is_none() || is_set(path))
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

/// Returns the difference that turns `before` into `after`, with the keys of all objects in their order.
///
/// It descends into objects. It descends into a list only if the list did not shrink and most of its elements are
/// unchanged; otherwise it sets the whole list. An object is set whole if setting its members does not give their
/// order; members of the document itself are removed and set again.
pub fn difference(before: &Document, after: &Document) -> Difference {
    structured_difference(before, after, &|_| false)
}

/// As [`difference`]. `is_structure` is true for the paths of objects of which the order of keys has no meaning; the
/// empty path is the document.
pub fn structured_difference(
    before: &Document,
    after: &Document,
    is_structure: &dyn Fn(&[Segment]) -> bool,
) -> Difference {
    let mut writer = DifferenceWriter { at: Vec::new(), is_structure, changes: Difference::default() };
    let kept = if is_structure(&[]) { after.len() } else { kept_keys(before, after) };
    if kept == after.len() {
        writer.write_objects(before, after);
    } else {
        // All from the first that has another place.
        let mut rest = before.clone();
        for (key, _) in after.iter().skip(kept) {
            if rest.shift_remove(key).is_some() {
                writer.changes.unset.push(FieldPath(vec![Segment::Key(key.clone())]));
            }
        }
        writer.write_objects(&rest, after);
    }
    writer.changes
}

/// The number of keys of `after` that have their place if the others are removed and set in order; all: no key of
/// `before` has another place.
fn kept_keys(before: &Document, after: &Document) -> usize {
    let mut remaining = before.keys().filter(|key| after.contains_key(*key));
    let kept = after.keys().take_while(|key| remaining.next() == Some(key)).count();
    if keeps_order(before, after) { after.len() } else { kept }
}

/// Whether the keys of `after` are those of `before` that remain, in their order, then new ones.
fn keeps_order(before: &Document, after: &Document) -> bool {
    let remaining = before.keys().filter(|key| after.contains_key(*key));
    let mut keys = after.keys();
    remaining.zip(&mut keys).all(|(one, other)| one == other) && keys.all(|key| !before.contains_key(key))
}

/// Whether two values are the same, with the keys of all objects in the same order.
pub fn is_identical(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((name, one), (key, other))| name == key && is_identical(one, other))
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_identical(one, other))
        }
        _ => one == other,
    }
}

struct DifferenceWriter<'a> {
    at: Vec<Segment>,
    is_structure: &'a dyn Fn(&[Segment]) -> bool,
    changes: Difference,
}

impl DifferenceWriter<'_> {
    fn write_objects(&mut self, before: &Document, after: &Document) {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.changes.unset.push(child_path(&self.at, Segment::Key(key.clone())));
        }
        let mut members: Vec<(&String, &Json)> = after.iter().collect();
        if (self.is_structure)(&self.at) {
            // MongoDB adds new members in this order, so all stores do.
            sort_by(&mut members, |(one, _), (other, _)| one.cmp(other));
        }
        for (key, new) in members {
            match before.get(key) {
                Some(old) => self.write_values(old, new, Segment::Key(key.clone())),
                None => self.set(Segment::Key(key.clone()), new),
            }
        }
    }

    fn write_values(&mut self, old: &Json, new: &Json, segment: Segment) {
        match (old, new) {
            _ if is_identical(old, new) => {}
            // An object that becomes empty is set whole, so that no store has to distinguish "empty" from "all keys
            // removed".
            (Json::Object(old), Json::Object(members)) if !members.is_empty() && !old.is_empty() => {
                self.at.push(segment);
                if (self.is_structure)(&self.at) || keeps_order(old, members) {
                    self.write_objects(old, members);
                } else {
                    self.changes.set.push((FieldPath(self.at.clone()), new.clone()));
                }
                self.at.pop();
            }
            (Json::Array(old), Json::Array(new)) if should_diff_elements(old, new) => {
                self.at.push(segment);
                for (i, value) in new.iter().enumerate() {
                    let index = Segment::Index(u32::try_from(i).unwrap_or(u32::MAX));
                    match old.get(i) {
                        Some(before) => self.write_values(before, value, index),
                        None => self.set(index, value),
                    }
                }
                self.at.pop();
            }
            _ => self.set(segment, new),
        }
    }

    fn set(&mut self, last: Segment, value: &Json) {
        self.changes.set.push((child_path(&self.at, last), value.clone()));
    }
}

/// Returns whether setting the changed elements of a list is shorter than setting the list. Each element repeats the
/// path.
fn should_diff_elements(old: &[Json], new: &[Json]) -> bool {
    let changed =
        old.iter().zip(new).filter(|(a, b)| !is_identical(a, b)).count() + new.len().saturating_sub(old.len());
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
                prop::collection::vec(("[a-c.]{0,2}", inner), 0..4)
                    .prop_map(|members| members.into_iter().collect::<Document>().into()),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Document> {
        prop::collection::vec(("[a-c.]{0,2}", json()), 0..4).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_later_document(before in document(), after in document(), depth in 0usize..3) {
            // Objects above this depth are structure.
            let found = structured_difference(&before, &after, &|path| path.len() < depth);
            let wire = serde_json::to_string(&found).unwrap();
            let mut changed = before.clone();
            prop_assert!(serde_json::from_str::<Difference>(&wire).unwrap().apply(&mut changed));
            prop_assert_eq!(found.json_size(), wire.len());
            prop_assert_eq!(&changed, &after);
            prop_assert!(found.transforms(&before, &after) && found.is_consistent_with(&after));
            let (changed, before) = (Json::Object(changed), Json::Object(before));
            if depth == 0 {
                prop_assert!(is_identical(&changed, &Json::Object(after.clone())), "{} {:?}", changed, found);
                prop_assert_eq!(found.is_empty(), is_identical(&before, &Json::Object(after)));
            } else if depth == 1 {
                prop_assert!(after.iter().all(|(name, value)| is_identical(&changed[name], value)));
            }
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
    fn an_order_of_keys_is_written_unless_it_has_no_meaning() {
        let text = |before: &str, after: &str, depth: usize| {
            let (before, after) = (serde_json::from_str(before).unwrap(), serde_json::from_str(after).unwrap());
            serde_json::to_string(&structured_difference(&before, &after, &|path| path.len() < depth)).unwrap()
        };
        let (before, moved) = (r#"{"b":{"y":1,"x":2},"a":3}"#, r#"{"a":3,"b":{"x":2,"y":1}}"#);
        assert_eq!(text(before, moved, 0), r#"{"set":[[["a"],3],[["b"],{"x":2,"y":1}]],"unset":[["a"],["b"]]}"#);
        assert_eq!(text(before, moved, 1), r#"{"set":[[["b"],{"x":2,"y":1}]]}"#);
        assert_eq!(text(before, moved, 2), "{}");
        assert_eq!(text(before, r#"{"b":{"y":1,"x":2,"w":4},"a":3}"#, 0), r#"{"set":[[["b","w"],4]]}"#);
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
