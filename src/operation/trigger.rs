//! Triggers, as in databases: changes that a domain adds to the commits of other domains, so that its documents agree with theirs. The other
//! domain does not know of it.

use crate::decision::{Ctx, Decision, Rejection, View};
use crate::schema::{Collection, Key};
use crate::value::Document;

/// A trigger on the changes of a collection.
#[derive(Debug)]
pub struct Trigger {
    /// The collection, of this domain or another one. Deletions are left out.
    pub collection: &'static Collection,
    /// Adds changes to the decision. It gets the key of the changed document, and the document as it is after the change. It runs for every
    /// change, so it first decides by the key or a field whether the document concerns it. It rejects nothing because of the
    /// state of its own documents; its errors are those of documents that cannot be read.
    pub run: fn(&Key, &Document, &mut Decision<()>, &View, &Ctx) -> Result<(), Rejection>,
}
