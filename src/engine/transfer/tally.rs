//! Counts of an export, and the hash that shows whether two exports have the same contents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ExportRecord;
use crate::id::hex;
use crate::store::COMMANDS;
use crate::value::SortedSet;

/// Counts and hash of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExportSummary"))]
pub struct ExportSummary {
    /// Number of documents per collection, rows of the ledger included.
    pub counts: BTreeMap<String, u64>,
    /// SHA-256 over all documents in order: equal for equal contents, whatever the store and the form.
    pub contents: String,
}

impl ExportSummary {
    /// Number of documents, without the ledger.
    pub fn documents(&self) -> u64 {
        self.total() - self.ledger()
    }

    /// Number of rows of the ledger.
    pub fn ledger(&self) -> u64 {
        self.counts.get(COMMANDS.name).copied().unwrap_or_default()
    }

    /// Number of documents and of rows of the ledger.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl ExportSummary {
    /// The difference between this summary and the one `found`, in words; `None`: they are equal.
    pub(super) fn difference(&self, found: &ExportSummary) -> Option<String> {
        if self == found {
            return None;
        }
        let names = SortedSet::of(self.counts.keys().chain(found.counts.keys()));
        let count = |summary: &ExportSummary, name: &String| summary.counts.get(name).copied().unwrap_or_default();
        let other = names.keys().copied().find(|name| count(self, name) != count(found, name));
        Some(match other {
            Some(name) => {
                format!("{} documents of {name} where {} were exported", count(found, name), count(self, name))
            }
            None => "a document differs from the exported one".to_owned(),
        })
    }
}

/// Counts and hashes documents.
#[derive(Clone, Default)]
pub(super) struct ExportTally {
    counts: BTreeMap<String, u64>,
    hash: Sha256,
}

impl ExportTally {
    /// Adds a record; `line` is its line.
    pub fn add(&mut self, record: &ExportRecord, line: &str) {
        match self.counts.get_mut(record.collection.name) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(record.collection.name.to_owned(), 1)),
        }
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
    }

    /// The counts and the hash.
    pub fn summary(self) -> ExportSummary {
        ExportSummary { counts: self.counts, contents: hash_text(self.hash) }
    }
}

/// The text of a complete hash.
pub(super) fn hash_text(hash: Sha256) -> String {
    let digest: [u8; 32] = hash.finalize().into();
    hex(&digest)
}
