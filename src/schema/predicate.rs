//! Conditions with constants only, for partial indexes and retention. Every backend can express them.

use super::Filter;
use crate::value::{Document, Json, get, is_equal};

/// A constant in a declaration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
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

impl Literal {
    /// As a plain value.
    pub fn to_json(self) -> Json {
        match self {
            Literal::Null => Json::Null,
            Literal::Bool(b) => b.into(),
            Literal::Int(i) => i.into(),
            Literal::Text(t) => t.into(),
            Literal::EmptyList => Json::Array(Vec::new()),
            Literal::EmptyObject => Json::Object(Document::new()),
        }
    }
}

/// A condition on one document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Predicate {
    /// The field exists, null included.
    Exists(&'static str),
    /// The field does not exist.
    Missing(&'static str),
    /// The field has this value. A missing field counts as null.
    Eq(&'static str, Literal),
    /// The field has one of these values.
    In(&'static str, &'static [Literal]),
    /// All of these hold.
    All(&'static [Predicate]),
    /// At least one of these holds.
    Any(&'static [Predicate]),
}

impl Predicate {
    /// Whether it holds for `document`.
    pub fn holds(&self, document: &Document) -> bool {
        let equals =
            |path, constant: &Literal| is_equal(get(document, path).unwrap_or(&Json::Null), &constant.to_json());
        match self {
            Predicate::Exists(path) => get(document, path).is_some(),
            Predicate::Missing(path) => get(document, path).is_none(),
            Predicate::Eq(path, constant) => equals(path, constant),
            Predicate::In(path, constants) => constants.iter().any(|c| equals(path, c)),
            Predicate::All(all) => all.iter().all(|p| p.holds(document)),
            Predicate::Any(any) => any.iter().any(|p| p.holds(document)),
        }
    }

    /// The same condition as the filter of a query.
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

    /// Whether it tests for a missing field.
    pub fn uses_missing(&self) -> bool {
        match self {
            Predicate::Missing(_) => true,
            Predicate::Exists(_) | Predicate::Eq(..) | Predicate::In(..) => false,
            Predicate::All(inner) | Predicate::Any(inner) => inner.iter().any(Predicate::uses_missing),
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
