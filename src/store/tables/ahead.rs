//! What judging a batch will read, as far as that can be said before reading anything: a store whose calls are asynchronous asks for all
//! of it at once.

use super::base::Way;
use super::index::after;
use super::plan::touched;
use super::window::Wish;
use super::{Table, Tables, paths, top};
use crate::schema::{Key, keys};
use crate::store::{Batch, Op};
use crate::value::{Document, FewOf};

impl Tables {
    /// The rows of their base that [`Tables::plan`] will ask for: the ledger's, what is written and checked, and who has the entries of
    /// unique indexes that the batch writes. The last may be more than is asked for in the end.
    pub fn ahead(&self, batch: &Batch) -> Vec<Wish> {
        let (row, _) = batch.ledger_row();
        let keys = batch.writes.iter().map(|write| &write.key).chain(batch.checks.iter().map(|check| &check.key));
        let mut wishes: Vec<Wish> = [&row].into_iter().chain(keys).filter_map(|key| self.wish(key)).collect();
        for write in &batch.writes {
            let Some(after) = write.op.after() else { continue };
            let touched = if let Op::Change { difference, .. } = &write.op { Some(touched(difference)) } else { None };
            if let Some(table) = self.tables.get(&write.key.collection) {
                wishes.extend(table.unique_entries(after, touched.as_ref()));
            }
        }
        wishes
    }

    /// A document, as something to be read; none: nothing is known of its collection.
    pub fn wish(&self, key: &Key) -> Option<Wish> {
        let part = self.tables.get(&key.collection)?.documents.part()?;
        Some(Wish::Document { part: part.number, id: key.id.clone() })
    }
}

impl Table {
    fn unique_entries(&self, document: &Document, touched: Option<&FewOf<&str>>) -> Vec<Wish> {
        let Some(declared) = self.declared else { return Vec::new() };
        let concerned = self.indexes.iter().filter(|index| index.declared.unique).filter(|index| {
            // As a change of the document finds its entries.
            touched.is_none_or(|touched| paths(index).any(|path| touched.contains_key(top(path))))
        });
        let entries = concerned.filter_map(|index| Some((index.keys.part()?, index))).flat_map(|(part, index)| {
            let entries = keys::entries(declared, index.declared, document).into_iter();
            entries.map(move |entry| (part.number, entry))
        });
        entries.map(|(part, entry)| Wish::Rows { part, to: after(&entry), from: entry, way: Way::Forward }).collect()
    }
}
