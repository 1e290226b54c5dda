//! Documents on which many commits rest at once, as all that start a program rest on it. To check such a document is not to write it, which one
//! transaction at a time could do, but one of several small documents beside it, its holds: each says at which revision the document
//! stands. Whoever changes the document removes its holds in the same transaction, so whoever checks by one of them meets that transaction; a
//! hold is made by who finds none, in a transaction that also touches the document. (Striped counters are the same idea: many
//! cells for what all write, and who needs the whole visits all.)
//!
//! A process uses few of them, each by one commit at a time; a client that dies in a transaction keeps one hold from others, not the document.

use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::bson::{RawDocumentBuf, rawdoc};

use crate::id::{CommandId, Revision};
use crate::schema::Key;

/// Holds of one document at the most.
const EACH: u32 = 32;

/// Those that one process uses.
const OURS: u32 = 4;

/// The holds that this process uses, by turns.
pub(super) struct Holds {
    first: u32,
    next: AtomicU32,
}

impl Default for Holds {
    fn default() -> Self {
        let mut random = [0u8; 1];
        if getrandom::fill(&mut random).is_err() {
            // Then processes share their holds, and meet more often.
            random = [0];
        }
        Self { first: u32::from(random[0]), next: AtomicU32::new(0) }
    }
}

impl Holds {
    /// The one for a commit that begins.
    pub(super) fn pick(&self) -> Hold {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % OURS;
        Hold(self.first.wrapping_add(turn) % EACH)
    }
}

/// Which of the holds of each document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold(u32);

impl Hold {
    /// The id of the hold on a document.
    pub(super) fn id(self, key: &Key) -> String {
        format!("{}/{}#{}", key.collection, key.id, self.0)
    }

    /// Checks by it: finds it only where the document stands at `revision`.
    pub(super) fn check(self, key: &Key, revision: &Revision, command: &CommandId) -> RawDocumentBuf {
        rawdoc! {
            "q": {"_id": self.id(key), "of": revision.to_string()},
            "u": {"$set": {"by": command.as_str()}},
        }
    }

    /// Makes it, or what is left of it anew. In a transaction that writes the document.
    pub(super) fn make(self, key: &Key, revision: &Revision, command: &CommandId) -> RawDocumentBuf {
        rawdoc! {
            "q": {"_id": self.id(key)},
            "u": {"of": revision.to_string(), "by": command.as_str()},
            "upsert": true,
        }
    }
}

/// Removes all holds on a document.
pub(super) fn removal(key: &Key) -> RawDocumentBuf {
    let ids: RawArrayBuf = (0..EACH).map(|hold| Hold(hold).id(key)).collect();
    let mut among = RawDocumentBuf::new();
    among.append(cstr!("$in"), ids);
    rawdoc! {"q": {"_id": among}, "limit": 0}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_process_uses_few_holds_by_turns_and_each_is_removed_with_the_document() {
        let (holds, key) = (Holds::default(), Key { collection: "cvm.programs".into(), id: "a#1/b".into() });
        let used: BTreeSet<String> = (0..100).map(|_| holds.pick().id(&key)).collect();
        assert_eq!(used.len(), 4);
        let removal = removal(&key);
        let ids = removal.get_document("q").unwrap().get_document("_id").unwrap().get_array("$in").unwrap();
        let ids: BTreeSet<&str> = ids.into_iter().map(|id| id.unwrap().as_str().unwrap()).collect();
        assert!(ids.len() == 32 && used.iter().all(|id| ids.contains(id.as_str())));
        assert!(used.iter().all(|id| id.starts_with("cvm.programs/a#1/b#")));
    }
}
