//! One maintained index: byte keys in order, each ending in the id of its document.

use std::ops::Bound;
use std::sync::Arc;

use super::base::Way;
use super::overlay::Keys;
use crate::schema::Index;
use crate::store::Error;

/// The entries of one index. A key is the entry (`schema::keys`) followed by the id, so equal entries stand together, in the
/// order of their ids. Entries are self-delimiting: none begins with another, and the id can be cut off again.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    pub(super) declared: &'static Index,
    /// All that its entries follow from, as text.
    pub(super) made_by: Arc<str>,
    pub(super) keys: Keys,
}

/// A stretch of keys: from the first (inclusive, or exclusive where it was seen before) to `to` (exclusive; none: to the end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
}

impl Stretch {
    /// All keys.
    pub(super) const ALL: Self = Self { from: Bound::Unbounded, to: None };

    /// All keys that begin with `prefix`.
    pub(super) fn of(prefix: Vec<u8>) -> Self {
        Self { to: after(&prefix), from: Bound::Included(prefix) }
    }
}

/// The least key that is greater than every key that begins with `prefix`; none where there is no such key.
pub(super) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

impl Entries {
    /// The document that has this entry; of several the one with the least id.
    pub(super) fn owner(&self, entry: &[u8]) -> Result<Option<Arc<str>>, Error> {
        self.ids(&Stretch::of(entry.to_vec())).next().transpose()
    }

    /// The later of the first two documents that share an entry. What a base has was looked at when it was made, so only what lies
    /// above it is.
    pub(super) fn clash(&self) -> Result<Option<Arc<str>>, Error> {
        let mut last: Option<&[u8]> = None;
        for (key, id) in self.keys.added() {
            let entry = entry_of(key, id);
            if last == Some(entry) {
                return Ok(Some(id.clone()));
            }
            last = Some(entry);
            if self.keys.is_based()
                && let Some(second) = self.ids(&Stretch::of(entry.to_vec())).nth(1)
            {
                return second.map(Some);
            }
        }
        Ok(None)
    }

    /// Ids in the order of entries, then of ids.
    pub(super) fn ids<'a>(&'a self, stretch: &Stretch) -> impl Iterator<Item = Result<Arc<str>, Error>> + use<'a> {
        self.keys.range(stretch, Way::Forward).map(|row| row.map(|(_, id)| id))
    }

    /// Ids in the reverse order of entries; of equal entries still in the order of ids. With `within` the first group is
    /// entered after that id only.
    pub(super) fn ids_backward<'a>(
        &'a self,
        stretch: &Stretch,
        within: Option<(Vec<u8>, &str)>,
    ) -> impl Iterator<Item = Result<Arc<str>, Error>> + use<'a> {
        let begun = within.map(|(entry, id)| (Bound::Excluded([entry.as_slice(), id.as_bytes()].concat()), entry));
        let rest = match &begun {
            Some((_, entry)) => Stretch { from: stretch.from.clone(), to: Some(entry.clone()) },
            None => stretch.clone(),
        };
        let first = begun.map(|(from, entry)| Ok(Stretch { from, to: after(&entry) }));
        let groups = Groups { index: self, left: Some(rest) };
        first.into_iter().chain(groups).flat_map(|group| {
            let (ids, failed) = match group {
                Ok(group) => (Some(self.ids(&group)), None),
                Err(e) => (None, Some(Err(e))),
            };
            ids.into_iter().flatten().chain(failed)
        })
    }
}

/// The groups of equal entries, last one first.
struct Groups<'a> {
    index: &'a Entries,
    left: Option<Stretch>,
}

impl Iterator for Groups<'_> {
    type Item = Result<Stretch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left.take()?;
        let (key, id) = match self.index.keys.range(&left, Way::Backward).next()? {
            Ok(last) => last,
            Err(e) => return Some(Err(e)),
        };
        let entry = entry_of(&key, &id).to_vec();
        self.left = Some(Stretch { from: left.from, to: Some(entry.clone()) });
        Some(Ok(Stretch::of(entry)))
    }
}

/// The key without the id that it ends in.
pub(super) fn entry_of<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    // What a base says is not taken on trust: without such an end the key stands for itself.
    key.strip_suffix(id.as_bytes()).unwrap_or(key)
}
