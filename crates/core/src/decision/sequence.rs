//! Decisions in sequence: each is made on the documents as those before it leave them, and one commit makes the changes
//! of all. A commit writes a document once, so two changes of it become one.

use runstate_value::Document;

use super::{Change, Ctx, Decision, LoadedDocument, Rejection, View};
use crate::error_code::ErrorCode;
use crate::id::Revision;
use crate::schema::Key;

impl View {
    /// The view with these changes, for the next decision of the same command. Query results stay as they are.
    pub fn after(mut self, changes: &[Change], ctx: &Ctx) -> Self {
        for change in changes {
            let key = change.key().clone();
            let revision = match change.before() {
                Some(before) => before.revision.clone(),
                None => Revision::first(ctx.command(), &key.collection, &key.id),
            };
            let document =
                change.document().map(|document| LoadedDocument { revision, document: document.clone().into() });
            self.put(key, document, None);
        }
        self
    }
}

impl Change {
    /// This change, with other fields in the document as it is after it.
    pub(super) fn set_document(&mut self, fields: Document) -> Result<(), Rejection> {
        match self {
            Self::Insert { document, .. }
            | Self::Update { after: document, .. }
            | Self::Append { document, .. }
            | Self::Stage { document, .. } => *document = fields,
            Self::Retire { key } | Self::Delete { key, .. } => {
                return Err(contradiction(key, "it is removed, and then written"));
            }
        }
        Ok(())
    }

    /// The one change that does what this one does, and then `later`, which was decided on the view after this one.
    /// `None`: the document is neither there before nor after.
    fn then(mut self, later: Self) -> Result<Option<Self>, Rejection> {
        match (&self, later) {
            (_, Self::Update { after, .. }) => self.set_document(after)?,
            (
                Self::Insert { .. } | Self::Append { .. } | Self::Stage { .. },
                Self::Delete { .. } | Self::Retire { .. },
            ) => return Ok(None),
            (Self::Update { key, before, .. }, Self::Delete { .. } | Self::Retire { .. }) => {
                self = Self::Delete { key: key.clone(), revision: Some(before.revision.clone()) };
            }
            // The document is removed already.
            (Self::Delete { .. } | Self::Retire { .. }, Self::Delete { .. } | Self::Retire { .. }) => {}
            // Its revision would begin again, which no single write does.
            (
                Self::Delete { .. } | Self::Retire { .. },
                Self::Insert { key, .. } | Self::Append { key, .. } | Self::Stage { key, .. },
            ) => return Err(contradiction(&key, "it is removed, and then created")),
            (_, Self::Insert { key, .. } | Self::Append { key, .. } | Self::Stage { key, .. }) => {
                return Err(contradiction(&key, "it is there, and then created"));
            }
        }
        Ok(Some(self))
    }
}

#[cold]
#[inline(never)]
fn contradiction(key: &Key, why: &str) -> Rejection {
    let message =
        format!("internal error: two parts of one command change {key}: {why}; nothing was changed. Report this");
    Rejection::domain(ErrorCode::INTERNAL, message)
}

impl<O> Decision<O> {
    /// Adds what was decided on the view after this decision ([`View::after`]). Returns its output. Two changes of a
    /// document become one. Errors: `internal` (no single change does both: a document is removed and created).
    pub fn follow<P>(&mut self, later: Decision<P>) -> Result<P, Rejection> {
        let Decision { output, changes, checks, hints, cached, damaged, item, continues: _, needs_newest } = later;
        self.needs_newest |= needs_newest;
        self.item = self.item.take().or(item);
        // Those of `later` are of different documents: a turn may write thousands.
        let mut earlier = self.changes.len();
        for change in changes {
            match self.changes.iter().take(earlier).position(|earlier| earlier.key() == change.key()) {
                Some(index) => match self.changes.remove(index).then(change)? {
                    Some(both) => self.changes.insert(index, both),
                    None => earlier -= 1,
                },
                None => self.changes.push(change),
            }
        }
        for (key, revision) in checks {
            if !self.checks.iter().any(|(checked, _)| *checked == key) {
                self.checks.push((key, revision));
            }
        }
        // A change checks the revision itself.
        let Self { changes, checks, .. } = self;
        checks.retain(|(key, _)| !changes.iter().any(|change| change.key() == key));
        self.hints.extend(hints);
        self.cached.extend(cached);
        self.damaged.extend(damaged);
        Ok(output)
    }

    /// Adds what was decided on the same view, so that both are committed together. Returns its output. Errors:
    /// `internal` (both change one document, so one of them does not know what the other does:
    /// [`Decision::follow`]).
    pub fn include<P>(&mut self, other: Decision<P>) -> Result<P, Rejection> {
        let is_changed = |key: &&Key| self.changes.iter().any(|change| change.key() == *key);
        match other.changes.iter().map(Change::key).find(is_changed) {
            Some(key) => Err(contradiction(key, "neither knows the other")),
            None => self.follow(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use runstate_value::collect_document;

    use super::*;
    use crate::decision::EngineSettings;
    use crate::id::CommandId;
    use crate::schema::Collection;
    use runstate_value::time::Timestamp;

    const THINGS: Collection = Collection::new("things", 1);

    fn fields(n: i64) -> Document {
        collect_document([("n".to_owned(), n.into())])
    }

    /// Every kind of change of one document.
    fn changes(n: i64) -> [(&'static str, Change); 7] {
        let key = || Key::new(&THINGS, "a");
        let revision = || Revision::first(&CommandId::new("earlier").unwrap(), "things", "a");
        let before = LoadedDocument { revision: revision(), document: fields(0).into() };
        [
            ("insert", Change::Insert { key: key(), document: fields(n) }),
            ("update", Change::Update { key: key(), before, after: fields(n) }),
            ("append", Change::Append { key: key(), document: fields(n) }),
            ("stage", Change::Stage { key: key(), document: fields(n) }),
            ("retire", Change::Retire { key: key() }),
            ("delete", Change::Delete { key: key(), revision: Some(revision()) }),
            ("delete any", Change::Delete { key: key(), revision: None }),
        ]
    }

    fn describe(changes: &[Change]) -> String {
        let describe = |change: &Change| match change {
            Change::Insert { document, .. } => format!("insert {}", document["n"]),
            Change::Update { before, after, .. } => format!("update {} to {}", before.document["n"], after["n"]),
            Change::Append { document, .. } => format!("append {}", document["n"]),
            Change::Stage { document, .. } => format!("stage {}", document["n"]),
            Change::Retire { .. } => "retire".to_owned(),
            Change::Delete { revision: Some(_), .. } => "delete".to_owned(),
            Change::Delete { revision: None, .. } => "delete any".to_owned(),
        };
        changes.iter().map(describe).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn two_changes_of_a_document_become_one_or_an_error() {
        let mut table = String::new();
        for (name, first) in changes(1) {
            for (then, second) in changes(2) {
                let mut decision = Decision::new(()).change(first.clone());
                let result = match decision.follow(Decision::new(()).change(second)) {
                    Ok(()) => describe(&decision.changes),
                    Err(error) => error.to_string().split(": ").nth(2).unwrap().split(';').next().unwrap().to_owned(),
                };
                table += &format!("{name} + {then} = {result}\n");
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn what_was_decided_on_one_view_changes_no_document_twice() {
        for ((_, first), (_, second)) in changes(1).into_iter().zip(changes(2)) {
            let mut decision = Decision::new(()).change(first);
            let error = decision.include(Decision::new(()).change(second)).unwrap_err();
            assert_eq!((error.code(), decision.changes.len()), (ErrorCode::INTERNAL, 1));
        }
    }

    #[test]
    fn a_later_change_keeps_the_revision_that_was_read() {
        let (ctx, [_, (_, update), ..]) =
            (Ctx::new(CommandId::new("c").unwrap(), Timestamp::from_millis(0), EngineSettings::default()), changes(1));
        let view = View::new(ctx.now, 16, false).after(std::slice::from_ref(&update), &ctx);
        let read = view.get(update.key()).unwrap().clone();
        assert_eq!((&*read.document, &read.revision), (&fields(1), &update.before().unwrap().revision));
        let mut decision = Decision::new(()).change(update.clone());
        decision.checks.push((Key::new(&THINGS, "b"), read.revision.clone()));
        let delete = Change::Delete { key: update.key().clone(), revision: Some(read.revision.clone()) };
        decision.follow(Decision::new(()).change(delete).check(Key::new(&THINGS, "b"), &read)).unwrap();
        assert_eq!((describe(&decision.changes), decision.checks.len()), ("delete".to_owned(), 1));
    }
}
