//! What the server is asked for, and how much of a question it answers.

use mongodb::bson::{Bson, Document as Doc, doc};

/// Which documents the server is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// All.
    Every,
    /// None: nothing can match, so nothing is looked at.
    Never,
    /// Those that match in the server's own language.
    Where(Doc),
}

impl Condition {
    /// As a filter of the server.
    pub(super) fn filter(self) -> Doc {
        match self {
            Condition::Every => Doc::new(),
            // The planner knows that nothing can be in an empty list, and reads nothing.
            Condition::Never => doc! {"_id": {"$in": []}},
            Condition::Where(filter) => filter,
        }
    }

    /// All of these.
    pub(super) fn all(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => {}
                Condition::Never => return Condition::Never,
                Condition::Where(filter) => conditions.push(filter),
            }
        }
        joined("$and", conditions, Condition::Every)
    }

    /// One of these.
    pub(super) fn any(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => return Condition::Every,
                Condition::Never => {}
                Condition::Where(filter) => conditions.push(filter),
            }
        }
        joined("$or", conditions, Condition::Never)
    }
}

fn joined(word: &str, mut conditions: Vec<Doc>, of_none: Condition) -> Condition {
    match conditions.len() {
        0 => of_none,
        1 => conditions.pop().map_or(of_none, Condition::Where),
        _ => Condition::Where(doc! {word: conditions.into_iter().map(Bson::from).collect::<Vec<_>>()}),
    }
}

/// A condition that holds at least for what a filter matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// For the server.
    pub(super) condition: Condition,
    /// It holds for nothing else, so its contrary can be asked too, and its answer counted.
    pub(super) exact: bool,
}

impl Asked {
    /// What no condition of the server can say.
    pub(super) const UNSAID: Asked = Asked { condition: Condition::Every, exact: false };

    /// Nothing matches.
    pub(super) const NEVER: Asked = Asked { condition: Condition::Never, exact: true };

    pub(super) fn of(filter: Doc, exact: bool) -> Self {
        Self { condition: Condition::Where(filter), exact }
    }

    pub(super) fn every() -> Self {
        Self { condition: Condition::Every, exact: true }
    }

    /// All of these.
    pub(super) fn all(parts: Vec<Asked>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        let condition = Condition::all(parts.into_iter().map(|part| part.condition));
        // Where even more than what matches is nothing, nothing matches.
        Self { exact: exact || condition == Condition::Never, condition }
    }

    /// One of these.
    pub(super) fn any(parts: Vec<Asked>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        Self { exact, condition: Condition::any(parts.into_iter().map(|part| part.condition)) }
    }

    /// What does not match; known only where it is known exactly what does.
    pub(super) fn not(self) -> Self {
        if !self.exact {
            return Self::UNSAID;
        }
        match self.condition {
            Condition::Every => Self::NEVER,
            Condition::Never => Self::every(),
            Condition::Where(filter) => Self::of(doc! {"$nor": [filter]}, true),
        }
    }
}
