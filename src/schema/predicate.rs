//! Conditions with constants only, for partial indexes and retention: every backend can state them.

use super::Filter;
use crate::value::{Document, Json, get, same};

/// A constant in a declaration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(&'static str),
    /// The empty list.
    EmptyList,
    /// The empty object.
    EmptyObject,
}

impl Constant {
    /// As a plain value.
    pub fn to_json(self) -> Json {
        match self {
            Constant::Null => Json::Null,
            Constant::Bool(b) => b.into(),
            Constant::Int(i) => i.into(),
            Constant::Text(t) => t.into(),
            Constant::EmptyList => Json::Array(Vec::new()),
            Constant::EmptyObject => Json::Object(Document::new()),
        }
    }
}

/// A condition on one document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Predicate {
    /// The field is there (null included).
    Exists(&'static str),
    /// The field is not there.
    Missing(&'static str),
    /// The field has this value; a missing field is null.
    Eq(&'static str, Constant),
    /// The field has one of these values.
    In(&'static str, &'static [Constant]),
    /// All of these hold.
    All(&'static [Predicate]),
    /// At least one of these holds.
    Any(&'static [Predicate]),
}

impl Predicate {
    /// Whether it holds for `document`.
    pub fn holds(&self, document: &Document) -> bool {
        let equals = |path, constant: &Constant| same(get(document, path).unwrap_or(&Json::Null), &constant.to_json());
        match self {
            Predicate::Exists(path) => get(document, path).is_some(),
            Predicate::Missing(path) => get(document, path).is_none(),
            Predicate::Eq(path, constant) => equals(path, constant),
            Predicate::In(path, constants) => constants.iter().any(|c| equals(path, c)),
            Predicate::All(all) => all.iter().all(|p| p.holds(document)),
            Predicate::Any(any) => any.iter().any(|p| p.holds(document)),
        }
    }

    /// The same condition as a question to a store.
    pub fn filter(&self) -> Filter {
        let all = |inner: &[Predicate]| inner.iter().map(Predicate::filter).collect();
        match self {
            Predicate::Exists(path) => Filter::Exists((*path).to_owned(), true),
            Predicate::Missing(path) => Filter::Exists((*path).to_owned(), false),
            Predicate::Eq(path, constant) => Filter::Eq((*path).to_owned(), constant.to_json()),
            Predicate::In(path, constants) => {
                Filter::In((*path).to_owned(), constants.iter().map(|constant| constant.to_json()).collect())
            }
            Predicate::All(inner) => Filter::And(all(inner)),
            Predicate::Any(inner) => Filter::Or(all(inner)),
        }
    }

    /// Whether it asks for a field that is missing.
    pub fn asks_for_absence(&self) -> bool {
        match self {
            Predicate::Missing(_) => true,
            Predicate::Exists(_) | Predicate::Eq(..) | Predicate::In(..) => false,
            Predicate::All(inner) | Predicate::Any(inner) => inner.iter().any(Predicate::asks_for_absence),
        }
    }

    /// The paths it reads.
    pub fn paths(&self) -> Vec<&'static str> {
        match self {
            Predicate::Exists(path) | Predicate::Missing(path) | Predicate::Eq(path, _) | Predicate::In(path, _) => {
                vec![path]
            }
            Predicate::All(inner) | Predicate::Any(inner) => inner.iter().flat_map(Predicate::paths).collect(),
        }
    }
}
