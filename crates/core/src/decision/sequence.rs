//! Decisions in sequence: each is made on the documents as those before it leave them, and one commit makes the changes
//! of all.

use super::{Change, Ctx, Decision, LoadedDocument, View};
use crate::id::Revision;

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

impl<O> Decision<O> {
    /// Adds what was decided on the view after this decision ([`View::after`]). Returns its output. Two changes of a
    /// document become one.
    pub fn follow<P>(&mut self, later: Decision<P>) -> P {
        let Decision { output, changes, checks, hints, cached, damaged } = later;
        for change in changes {
            let earlier = self.changes.iter_mut().find(|earlier| earlier.key() == change.key());
            match (earlier, change) {
                (
                    Some(Change::Insert { document, .. } | Change::Update { after: document, .. }),
                    Change::Update { after, .. },
                ) => *document = after,
                (_, change) => self.changes.push(change),
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
        output
    }
}
