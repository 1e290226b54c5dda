//! Differences between two versions of a document: the paths to set and the paths to unset. So the cost of a write depends on the
//! change, not on the size of the document.

use serde::{Deserialize, Serialize};

use super::{Document, FieldPath, Json, Segment};

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

/// Returns the difference that turns `before` into `after`.
///
/// It descends into objects. It descends into a list only if the list did not shrink and most of its elements are unchanged;
/// otherwise it sets the whole list.
pub fn difference(before: &Document, after: &Document) -> Difference {
    let mut found = Difference::default();
    diff_objects(before, after, &mut Vec::new(), &mut found);
    found
}

fn diff_objects(before: &Document, after: &Document, at: &mut Vec<Segment>, found: &mut Difference) {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        found.unset.push(child_path(at, Segment::Key(key.clone())));
    }
    for (key, new) in after {
        match before.get(key) {
            Some(old) if old == new => {}
            Some(old) => diff_values(old, new, at, Segment::Key(key.clone()), found),
            None => found.set.push((child_path(at, Segment::Key(key.clone())), new.clone())),
        }
    }
}

fn diff_values(old: &Json, new: &Json, at: &mut Vec<Segment>, segment: Segment, found: &mut Difference) {
    match (old, new) {
        _ if old == new => {}
        // An object that becomes empty is set whole, so that no store has to distinguish "empty" from "all keys removed".
        (Json::Object(old), Json::Object(new)) if !new.is_empty() && !old.is_empty() => {
            at.push(segment);
            diff_objects(old, new, at, found);
            at.pop();
        }
        (Json::Array(old), Json::Array(new)) if should_diff_elements(old, new) => {
            at.push(segment);
            for (i, value) in new.iter().enumerate() {
                let index = Segment::Index(u32::try_from(i).unwrap_or(u32::MAX));
                match old.get(i) {
                    Some(before) => diff_values(before, value, at, index, found),
                    None => found.set.push((child_path(at, index), value.clone())),
                }
            }
            at.pop();
        }
        _ => found.set.push((child_path(at, segment), new.clone())),
    }
}

/// Returns whether setting the changed elements of a list is shorter than setting the list. Each element repeats the path.
fn should_diff_elements(old: &[Json], new: &[Json]) -> bool {
    let changed = old.iter().zip(new).filter(|(a, b)| a != b).count() + new.len().saturating_sub(old.len());
    !old.is_empty() && new.len() >= old.len() && changed * 4 <= new.len()
}

fn child_path(at: &[Segment], last: Segment) -> FieldPath {
    FieldPath(at.iter().cloned().chain([last]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            prop_assert_eq!(&changed, &after);
            prop_assert!(found.transforms(&before, &after) && found.is_consistent_with(&after));
            prop_assert_eq!(found.is_empty(), before == after);
        }
    }

    #[test]
    fn a_difference_to_another_document_is_detected() {
        let of = |json: Json| json.as_object().unwrap().clone();
        let (before, after) = (of(serde_json::json!({"a": 1, "b": 2})), of(serde_json::json!({"a": {"x": 1}})));
        let found = difference(&before, &after);
        for other in [serde_json::json!({"a": {"x": 2}}), serde_json::json!({"a": {"x": 1}, "b": 2})] {
            assert!(!found.is_consistent_with(&of(other)));
        }
        let more = of(serde_json::json!({"a": {"x": 1}, "c": 1}));
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
