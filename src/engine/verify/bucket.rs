//! Sets of index entries as sums of hashes: two sets of any size are compared in little memory. Only the buckets that differ are compared entry by
//! entry.

use crate::id::sha256;
use crate::schema::{Collection, Index, keys};
use crate::store::Row;

/// Number of buckets.
pub(super) const BUCKETS: usize = 256;

/// Entries of one index, spread over buckets by the id of their document. A bucket is the sum of its entries' hashes, whatever their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    sums: Vec<u128>,
    entries: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { sums: vec![0; BUCKETS], entries: 0 }
    }
}

impl Buckets {
    /// Adds the entries that a document has in `index`.
    pub(super) fn add(&mut self, collection: &Collection, index: &Index, row: &Row) {
        for entry in keys::entries(collection, index, &row.stored.document) {
            let sum = &mut self.sums[bucket(&row.id)];
            *sum = sum.wrapping_add(hash(&entry, &row.id));
            self.entries += 1;
        }
    }

    /// Number of entries that were added.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The buckets whose entries differ from those of `other`.
    pub(super) fn differing(&self, other: &Self) -> Vec<usize> {
        let pairs = self.sums.iter().zip(&other.sums).enumerate();
        pairs.filter(|(_, (own, other))| own != other).map(|(bucket, _)| bucket).collect()
    }
}

/// The bucket of a document.
pub(super) fn bucket(id: &str) -> usize {
    let [first, ..] = sha256(&[id.as_bytes()]);
    usize::from(first)
}

/// The hash of an entry of a document.
pub(super) fn hash(entry: &[u8], id: &str) -> u128 {
    let hash = sha256(&[entry, id.as_bytes()]);
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
