//! Prefetch: the rows that planning a batch will read, as far as they are known before reading. An asynchronous store fetches them
//! in one wave.

use super::base::ScanDirection;
use super::deferred::DeferredRead;
use super::index::prefix_end;
use super::plan::changed_fields;
use super::{CollectionTable, Tables, index_paths, top_level_field};
use crate::schema::{Key, keys};
use crate::store::{Batch, WriteOp};
use crate::value::{Document, SortedSet};

impl Tables {
    /// Returns the base rows that [`Tables::plan`] will need: the ledger row, the written and checked documents, and the owners of
    /// the unique entries that the batch writes. Some owners may not be needed in the end.
    pub fn prefetch_reads(&self, batch: &Batch) -> Vec<DeferredRead> {
        let (row, _) = batch.ledger_row();
        let keys = batch.writes.iter().map(|write| &write.key).chain(batch.checks.iter().map(|check| &check.key));
        let mut reads: Vec<DeferredRead> =
            [&row].into_iter().chain(keys).filter_map(|key| self.document_read(key)).collect();
        for write in &batch.writes {
            let Some(after) = write.op.document_after() else { continue };
            let touched = if let WriteOp::Change { difference, .. } = &write.op {
                Some(changed_fields(difference))
            } else {
                None
            };
            if let Some(table) = self.tables.get(&write.key.collection) {
                reads.extend(table.unique_entry_reads(after, touched.as_ref()));
            }
        }
        reads
    }

    /// Returns the read of a document; none if its collection is unknown.
    pub fn document_read(&self, key: &Key) -> Option<DeferredRead> {
        let part = self.tables.get(&key.collection)?.documents.part()?;
        Some(DeferredRead::Document { part: part.number, id: key.id.clone() })
    }
}

impl CollectionTable {
    fn unique_entry_reads(&self, document: &Document, touched: Option<&SortedSet<&str>>) -> Vec<DeferredRead> {
        let Some(declared) = self.declared else { return Vec::new() };
        let concerned = self.indexes.iter().filter(|index| index.declared.unique).filter(|index| {
            // The same filter selects the entries of a change.
            touched.is_none_or(|touched| index_paths(index).any(|path| touched.contains_key(top_level_field(path))))
        });
        let entries = concerned.filter_map(|index| Some((index.keys.part()?, index))).flat_map(|(part, index)| {
            let entries = keys::entries(declared, index.declared, document).into_iter();
            entries.map(move |entry| (part.number, entry))
        });
        entries
            .map(|(part, entry)| DeferredRead::Rows {
                part,
                to: prefix_end(&entry),
                from: entry,
                direction: ScanDirection::Forward,
            })
            .collect()
    }
}
