//! A probe for absent documents. If most of many requested documents are new, one list of keys replaces a request for each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use js_sys::Array;

use super::binding::IdbRequest;
use super::connection::Connection;
use super::error_mapping::IndexedDbError;
use super::record::{encode_key, key_range};
use super::transaction::{Tx, await_request};
use crate::store::tables::deferred::{DeferredRead, FetchedRows};
use crate::value::SortedMap;

/// Number of documents of one collection from which a probe is worth its round.
const MIN_DOCUMENTS: usize = 32;

/// Limit of listed keys per requested document. With more other documents in between, the list is useless.
const MAX_KEYS_PER_DOCUMENT: usize = 2;

/// A requested list of keys, and the ids that it decides.
struct KeyProbe {
    part: usize,
    ids: BTreeSet<Arc<str>>,
    request: IdbRequest,
    most: u32,
}

impl Connection {
    /// Marks absent documents as such, and returns the remaining reads.
    pub(super) async fn resolve_absent(
        &self,
        tx: &Tx,
        fetched: &mut FetchedRows,
        reads: Vec<DeferredRead>,
    ) -> Result<Vec<DeferredRead>, IndexedDbError> {
        if reads.len() < MIN_DOCUMENTS {
            return Ok(reads);
        }
        let mut ids: SortedMap<usize, BTreeSet<Arc<str>>> = SortedMap::default();
        for read in &reads {
            if let DeferredRead::Document { part, id } = read {
                ids.or_default(*part).insert(id.clone());
            }
        }
        let mut lists = Vec::new();
        for (part, ids) in ids.into_iter().filter(|(_, ids)| ids.len() >= MIN_DOCUMENTS) {
            lists.extend(self.send_probe(tx, part, ids)?);
        }
        let Some(last) = lists.last() else { return Ok(reads) };
        await_request(&last.request).await?;
        lists.iter().for_each(|list| list.mark_absent(fetched));
        let open =
            |read: &DeferredRead| !matches!(read, DeferredRead::Document { part, id } if fetched.is_fetched(*part, id));
        Ok(reads.into_iter().filter(open).collect())
    }

    fn send_probe(&self, tx: &Tx, part: usize, ids: BTreeSet<Arc<str>>) -> Result<Option<KeyProbe>, IndexedDbError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(None) };
        let end = [last.as_bytes(), &[0]].concat();
        let most = u32::try_from(ids.len() * MAX_KEYS_PER_DOCUMENT).unwrap_or(u32::MAX);
        let readable = self.idb_source(tx, self.source(part)?)?;
        let request = readable.get_all_keys(&key_range(first.as_bytes(), Some(&end))?, most)?;
        Ok(Some(KeyProbe { part, ids, request, most }))
    }
}

impl KeyProbe {
    fn mark_absent(&self, fetched: &mut FetchedRows) {
        let keys = Array::from(&self.request.result());
        if keys.length() >= self.most {
            // The list ended before the range did.
            return;
        }
        let mut there = BTreeSet::new();
        there.extend(keys.iter().filter_map(|key| key.as_string().map(Arc::<str>::from)));
        for id in self.ids.iter().filter(|id| !there.contains(encode_key(id.as_bytes()).as_str())) {
            fetched.insert_document(self.part, id, None);
        }
    }
}
