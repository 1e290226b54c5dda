//! Members that other programs keep in our documents. A document is written from its entity, which does not have them,
//! so they are taken over from the document as it was read.

use runstate_value::{Document, Json};

use crate::schema::{Entity, Field};

/// How documents of an entity are read, without its type.
#[derive(Clone, Copy, Debug)]
pub(super) struct DocumentForm {
    fields: &'static [Field],
    /// The document as the entity writes it that was read from it; `None`: it cannot be read.
    rewrite: fn(&Document) -> Option<Document>,
}

impl DocumentForm {
    pub(super) const fn of<E: Entity>() -> Self {
        Self { fields: E::FIELDS, rewrite: |document| E::from_document(document).and_then(|e| e.to_document()).ok() }
    }

    /// Takes over the members of `before` that its entity neither declares nor writes. A member in a list stays only
    /// with a list that is as it was.
    pub(super) fn keep_foreign(&self, before: &Document, after: &mut Document) {
        // Most documents have none, and are not read again.
        if self.lacks(before, after, "")
            && let Some(rewritten) = (self.rewrite)(before)
        {
            self.take_over(before, &rewritten, after, "");
        }
    }

    /// Whether `after` lacks a member of `before` that is not declared.
    fn lacks(&self, before: &Document, after: &Document, path: &str) -> bool {
        before.iter().any(|(name, value)| match (value, after.get(name)) {
            (Json::Object(before), Some(Json::Object(after))) => {
                before != after && self.lacks(before, after, &join(path, name))
            }
            (_, Some(_)) => false,
            (_, None) => !self.declares(&join(path, name)),
        })
    }

    fn take_over(&self, before: &Document, rewritten: &Document, after: &mut Document, path: &str) {
        for (name, value) in before {
            match (value, rewritten.get(name), after.get_mut(name)) {
                (Json::Object(before), Some(Json::Object(rewritten)), Some(Json::Object(after))) => {
                    self.take_over(before, rewritten, after, &join(path, name));
                }
                (_, None, None) if !self.declares(&join(path, name)) => {
                    after.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
    }

    /// Whether a declared field is at the path, or inside it.
    fn declares(&self, path: &str) -> bool {
        let is_at = |rest: &str| rest.is_empty() || rest.starts_with('.');
        self.fields.iter().any(|field| field.name.strip_prefix(path).is_some_and(is_at))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Fields, State};

    #[derive(Entity, Clone)]
    #[entity(collection = "test.parcels", version = 1)]
    struct Parcel {
        #[entity(id)]
        id: String,
        label: Option<String>,
        #[entity(default, omit_default)]
        weight: u32,
        address: Option<Address>,
        #[entity(state)]
        state: Course,
    }

    #[derive(Fields, Clone)]
    struct Address {
        city: String,
    }

    #[derive(State, Clone)]
    enum Course {
        Waiting,
        Sent {
            #[entity(undeclared)]
            carrier: String,
        },
    }

    fn update(before: &Json, change: fn(&mut Parcel)) -> Json {
        let Json::Object(before) = before else { panic!("an object") };
        let mut parcel = Parcel::from_document(before).unwrap();
        change(&mut parcel);
        let mut after = parcel.to_document().unwrap();
        DocumentForm::of::<Parcel>().keep_foreign(before, &mut after);
        Json::Object(after)
    }

    #[test]
    fn members_of_others_stay_and_our_own_do_not() {
        let before = json!({
            "id": "p", "label": "a", "weight": 3, "__v": 7, "theirs": { "a": [1, null] },
            "address": { "city": "Bern", "floor": 2 }, "status": "sent", "carrier": "c"
        });
        let changed = update(&before, |parcel| parcel.label = Some("b".into()));
        let mut expected = before.clone();
        expected["label"] = json!("b");
        assert_eq!(changed, expected);
        let emptied = update(&before, |parcel| {
            (parcel.label, parcel.weight, parcel.state) = (None, 0, Course::Waiting);
        });
        let expected = json!({
            "id": "p", "__v": 7, "theirs": { "a": [1, null] }, "address": { "city": "Bern", "floor": 2 },
            "status": "waiting"
        });
        assert_eq!(emptied, expected);
        // What is removed takes along what others had added to it.
        let moved = update(&before, |parcel| parcel.address = None);
        assert_eq!(moved.get("address"), None);
    }

    #[test]
    fn a_field_of_another_state_is_not_foreign() {
        let before = json!({ "id": "p", "status": "waiting", "label": null, "weight": 0 });
        let sent = update(&before, |parcel| parcel.state = Course::Sent { carrier: "d".into() });
        assert_eq!(sent, json!({ "id": "p", "status": "sent", "carrier": "d" }));
    }
}
