//! One maintained index: an ordered set of byte keys, each of which ends with the id of its document.

use std::ops::Bound;
use std::sync::Arc;

use super::base::ScanDirection;
use super::overlay::EntrySet;
use crate::schema::Index;
use crate::store::StoreError;

/// The entries of one index. A key is an entry (`schema::keys`) followed by the id, so equal entries are adjacent and in the order
/// of their ids. Entries are self-delimiting: no entry is a prefix of another, and the id can be stripped again.
#[derive(Clone, Debug)]
pub(super) struct TableIndex {
    pub(super) declared: &'static Index,
    /// The declaration that determines the entries, as text.
    pub(super) made_by: Arc<str>,
    pub(super) keys: EntrySet,
}

/// A range of keys: from the first (included, or excluded if it was returned before) to `to` (excluded; none: to the end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryRange {
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
}

impl EntryRange {
    /// All keys.
    pub(super) const ALL: Self = Self { from: Bound::Unbounded, to: None };

    /// Returns the range of all keys with the prefix `prefix`.
    pub(super) fn with_prefix(prefix: Vec<u8>) -> Self {
        Self { to: prefix_end(&prefix), from: Bound::Included(prefix) }
    }
}

/// Returns the least key that is greater than all keys with the prefix `prefix`; none if there is no such key.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

impl TableIndex {
    /// Returns the document that has this entry; of several, the one with the least id.
    pub(super) fn owner(&self, entry: &[u8]) -> Result<Option<Arc<str>>, StoreError> {
        self.ids(&EntryRange::with_prefix(entry.to_vec())).next().transpose()
    }

    /// Returns the later of the first two documents that share an entry. The entries of the base were checked when it was written,
    /// so only the overlay is checked.
    pub(super) fn find_duplicate(&self) -> Result<Option<Arc<str>>, StoreError> {
        let mut last: Option<&[u8]> = None;
        for (key, id) in self.keys.overlay_entries() {
            let entry = entry_of(key, id);
            if last == Some(entry) {
                return Ok(Some(id.clone()));
            }
            last = Some(entry);
            if self.keys.has_base()
                && let Some(second) = self.ids(&EntryRange::with_prefix(entry.to_vec())).nth(1)
            {
                return second.map(Some);
            }
        }
        Ok(None)
    }

    /// Returns ids in the order of entries, then of ids.
    pub(super) fn ids<'a>(
        &'a self,
        range: &EntryRange,
    ) -> impl Iterator<Item = Result<Arc<str>, StoreError>> + use<'a> {
        self.keys.range(range, ScanDirection::Forward).map(|row| row.map(|(_, id)| id))
    }

    /// Returns ids in the reverse order of entries; ids of equal entries stay in ascending order. With `within`, the first group
    /// begins after that id.
    pub(super) fn ids_backward<'a>(
        &'a self,
        range: &EntryRange,
        within: Option<(Vec<u8>, &str)>,
    ) -> impl Iterator<Item = Result<Arc<str>, StoreError>> + use<'a> {
        let resume = within.map(|(entry, id)| (Bound::Excluded([entry.as_slice(), id.as_bytes()].concat()), entry));
        let rest = match &resume {
            Some((_, entry)) => EntryRange { from: range.from.clone(), to: Some(entry.clone()) },
            None => range.clone(),
        };
        let first = resume.map(|(from, entry)| Ok(EntryRange { from, to: prefix_end(&entry) }));
        let groups = EntryGroups { index: self, left: Some(rest) };
        first.into_iter().chain(groups).flat_map(|group| {
            let (ids, failed) = match group {
                Ok(group) => (Some(self.ids(&group)), None),
                Err(e) => (None, Some(Err(e))),
            };
            ids.into_iter().flatten().chain(failed)
        })
    }
}

/// The groups of equal entries, in descending order.
struct EntryGroups<'a> {
    index: &'a TableIndex,
    left: Option<EntryRange>,
}

impl Iterator for EntryGroups<'_> {
    type Item = Result<EntryRange, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left.take()?;
        let (key, id) = match self.index.keys.range(&left, ScanDirection::Backward).next()? {
            Ok(last) => last,
            Err(e) => return Some(Err(e)),
        };
        let entry = entry_of(&key, &id).to_vec();
        self.left = Some(EntryRange { from: left.from, to: Some(entry.clone()) });
        Some(Ok(EntryRange::with_prefix(entry)))
    }
}

/// Returns the key without the id at its end.
pub(super) fn entry_of<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    // The base may be damaged: a key without this suffix is returned as it is.
    key.strip_suffix(id.as_bytes()).unwrap_or(key)
}
