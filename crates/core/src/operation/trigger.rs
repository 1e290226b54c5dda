//! Triggers, as in databases: changes that a domain adds to the commits of other domains, so that its documents agree
//! with theirs. The other domain does not know of it. Audits add a row to the commit of every command of their domain.

use runstate_value::{self as value, Document, Json};

use crate::decision::{Change, Ctx, Decision, Rejection, View};
use crate::schema::Key;

/// A trigger on the changes of a collection.
#[derive(Debug)]
pub struct Trigger {
    /// The name of the collection, of this domain or another one. Deletions are left out.
    pub collection: &'static str,
    /// Whether the document with this key concerns it. It is called for every change.
    pub concerns: fn(&Key) -> bool,
    /// Adds changes to the decision. It rejects nothing because of the state of its own documents; its errors are those
    /// of documents that cannot be read.
    pub run: fn(ChangedDocument<'_>, &mut Decision<()>) -> Result<(), Rejection>,
}

/// A document that a decision changes, for triggers.
#[derive(Clone, Copy)]
pub struct ChangedDocument<'a> {
    /// Its key.
    pub key: &'a Key,
    /// Its fields before the change; `None`: the change inserts it.
    pub before: Option<&'a Document>,
    /// Its fields after the change.
    pub after: &'a Document,
    /// The documents that were read for the decision.
    pub view: &'a View,
    /// The context of the decision.
    pub ctx: &'a Ctx,
}

impl<'a> ChangedDocument<'a> {
    /// The text at `path`, if the change gives it this text: a status that the document enters.
    pub fn entered(&self, path: &str) -> Option<&'a str> {
        let text = |document: &'a Document| value::get(document, path).and_then(Json::as_str);
        text(self.after).filter(|after| self.before.and_then(text) != Some(*after))
    }
}

/// The row of a domain's audit log for a command of this domain. It is written in the same commit, so it exists if the
/// command took effect. Commands that change nothing have none.
pub type Audit = fn(AuditedCommand<'_>) -> Result<Change, Rejection>;

/// A command that is about to be committed.
#[derive(Clone, Copy)]
pub struct AuditedCommand<'a> {
    /// Its name: `domain.verb`.
    pub name: &'static str,
    /// Its subject, or else the first document that it changes.
    pub target: &'a Key,
    /// The item of work that it is about, if it is one: its document, or its row in a queue.
    pub item: Option<&'a Key>,
    /// The context of its decision.
    pub ctx: &'a Ctx,
}
