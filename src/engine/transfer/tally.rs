//! What an export holds in numbers: counts, and the hash that tells whether two of them hold the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Record;
use crate::id::hex;
use crate::store::COMMANDS;
use crate::value::FewOf;

/// What was moved, or is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExportSummary"))]
pub struct Summary {
    /// Documents of each collection; those of the ledger are under its name too.
    pub counts: BTreeMap<String, u64>,
    /// SHA-256 over all documents in their order: equal for equal contents, whatever the store and the form.
    pub contents: String,
}

impl Summary {
    /// Documents in all, without the ledger.
    pub fn documents(&self) -> u64 {
        self.total() - self.ledger()
    }

    /// Rows of the ledger.
    pub fn ledger(&self) -> u64 {
        self.counts.get(COMMANDS.name).copied().unwrap_or_default()
    }

    /// Documents and rows of the ledger.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl Summary {
    /// In words, how `found` differs from what is said; `None`: in nothing.
    pub(super) fn differs(&self, found: &Summary) -> Option<String> {
        if self == found {
            return None;
        }
        let names = FewOf::of(self.counts.keys().chain(found.counts.keys()));
        let count = |summary: &Summary, name: &String| summary.counts.get(name).copied().unwrap_or_default();
        let other = names.keys().copied().find(|name| count(self, name) != count(found, name));
        Some(match other {
            Some(name) => {
                format!("{} documents of {name} where {} were exported", count(found, name), count(self, name))
            }
            None => "a document is not what was exported".to_owned(),
        })
    }
}

/// Counts and hashes on the way.
#[derive(Clone, Default)]
pub(super) struct Tally {
    counts: BTreeMap<String, u64>,
    hash: Sha256,
}

impl Tally {
    /// Takes in a record; `line` is its line.
    pub fn add(&mut self, record: &Record, line: &str) {
        match self.counts.get_mut(record.collection.name) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(record.collection.name.to_owned(), 1)),
        }
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
    }

    /// The sum.
    pub fn summary(self) -> Summary {
        Summary { counts: self.counts, contents: hash_text(self.hash) }
    }
}

/// The text of a hash that is complete.
pub(super) fn hash_text(hash: Sha256) -> String {
    let digest: [u8; 32] = hash.finalize().into();
    hex(&digest)
}
