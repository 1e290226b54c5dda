//! Conditions for the server: which documents it returns for a filter, and whether these are exactly the matches.

use mongodb::bson::{Bson, Document as Doc, doc};

/// The documents that the server returns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// All documents.
    Every,
    /// No document: nothing can match, so nothing is read.
    Never,
    /// Documents that match a filter in the server's language.
    Matching(Doc),
}

impl Condition {
    /// The condition as a MongoDB filter.
    pub(super) fn filter(self) -> Doc {
        match self {
            Condition::Every => Doc::new(),
            // The planner knows that an empty `$in` matches nothing, and reads nothing.
            Condition::Never => doc! {"_id": {"$in": []}},
            Condition::Matching(filter) => filter,
        }
    }

    /// Documents that satisfy every part.
    pub(super) fn all(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => {}
                Condition::Never => return Condition::Never,
                Condition::Matching(filter) => conditions.push(filter),
            }
        }
        join("$and", conditions, Condition::Every)
    }

    /// Documents that satisfy at least one part.
    pub(super) fn any(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => return Condition::Every,
                Condition::Never => {}
                Condition::Matching(filter) => conditions.push(filter),
            }
        }
        join("$or", conditions, Condition::Never)
    }
}

fn join(word: &str, mut conditions: Vec<Doc>, of_none: Condition) -> Condition {
    match conditions.len() {
        0 => of_none,
        1 => conditions.pop().map_or(of_none, Condition::Matching),
        _ => Condition::Matching(doc! {word: conditions.into_iter().map(Bson::from).collect::<Vec<_>>()}),
    }
}

/// A condition that holds at least for the documents that a filter matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerCondition {
    /// The condition for the server.
    pub(super) condition: Condition,
    /// Whether it holds for no other documents. Only then can it be negated, and its matches be counted.
    pub(super) exact: bool,
}

impl ServerCondition {
    /// For a filter that the server's language cannot express: every document.
    pub(super) const UNTRANSLATABLE: ServerCondition = ServerCondition { condition: Condition::Every, exact: false };

    /// For a filter that matches nothing.
    pub(super) const NEVER: ServerCondition = ServerCondition { condition: Condition::Never, exact: true };

    pub(super) fn new(filter: Doc, exact: bool) -> Self {
        Self { condition: Condition::Matching(filter), exact }
    }

    pub(super) fn every() -> Self {
        Self { condition: Condition::Every, exact: true }
    }

    /// Documents that satisfy every part.
    pub(super) fn all(parts: Vec<ServerCondition>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        let condition = Condition::all(parts.into_iter().map(|part| part.condition));
        // If a superset of the matches is empty, nothing matches.
        Self { exact: exact || condition == Condition::Never, condition }
    }

    /// Documents that satisfy at least one part.
    pub(super) fn any(parts: Vec<ServerCondition>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        Self { exact, condition: Condition::any(parts.into_iter().map(|part| part.condition)) }
    }

    /// The negation. It is known only if the condition is exact.
    pub(super) fn not(self) -> Self {
        if !self.exact {
            return Self::UNTRANSLATABLE;
        }
        match self.condition {
            Condition::Every => Self::NEVER,
            Condition::Never => Self::every(),
            Condition::Matching(filter) => Self::new(doc! {"$nor": [filter]}, true),
        }
    }
}
