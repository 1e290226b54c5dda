//! Followers. A domain can keep its documents in agreement with those of another domain, which does not know it: whoever changes a document of
//! the other one, the follower adds its own changes to the same commit.

use crate::decision::{Ctx, Decision, Rejection, View};
use crate::schema::{Collection, Key};
use crate::value::Document;

/// What a domain adds to the commits that change documents of a collection.
#[derive(Debug)]
pub struct Follower {
    /// The collection that it follows, of this domain or another one. Deletions are not followed.
    pub collection: &'static Collection,
    /// Adds changes to the decision. It gets the key of the changed document, and the document as it is after the change. It is called for
    /// every change, so it first decides by the key or a field whether the document concerns it. It must not reject a change of another domain
    /// because its own documents are in some state; an error says that they cannot be read.
    pub follow: fn(&Key, &Document, &mut Decision<()>, &View, &Ctx) -> Result<(), Rejection>,
}
