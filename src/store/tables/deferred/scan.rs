//! A scan of the fetched rows of a part, up to the first key that is not fetched.

use std::ops::Bound;
use std::sync::Arc;

use super::{DeferredBase, DeferredRead, EntryKey, FetchedPart, FetchedRows, ScanDirection};
use crate::store::{StoreError, StoredDocument};

/// Returns the least key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The rows of a part between two keys.
pub(super) struct FetchedScan<'a, V> {
    base: &'a DeferredBase,
    part: usize,
    select_part: fn(&FetchedRows, usize) -> Option<&FetchedPart<V>>,
    /// The least key that remains, included.
    from: Vec<u8>,
    /// The end, excluded; none: to the last key.
    to: Option<Vec<u8>>,
    direction: ScanDirection,
    ended: bool,
}

/// One step of a scan.
enum ScanStep<V> {
    Row(EntryKey, V),
    End,
    /// The next key is not fetched.
    Unknown,
}

impl<'a> FetchedScan<'a, Arc<str>> {
    pub(super) fn entries(
        window: &'a DeferredBase,
        part: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: ScanDirection,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), StoreError>> + use<'a> {
        let to = match range.1 {
            Bound::Unbounded => None,
            Bound::Excluded(to) => Some(to.to_vec()),
            Bound::Included(to) => Some(successor(to)),
        };
        Self {
            base: window,
            part,
            select_part: |fetched, part| fetched.entries.get(&part),
            from: lower_bound(range.0),
            to,
            direction: way,
            ended: false,
        }
    }
}

impl<'a> FetchedScan<'a, Option<StoredDocument>> {
    /// Returns documents by their ids, including ids without a document.
    pub(super) fn documents(
        window: &'a DeferredBase,
        part: usize,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = Result<(Arc<str>, Option<StoredDocument>), StoreError>> + use<'a> {
        let (from, way) = (lower_bound(from), ScanDirection::Forward);
        let rows = Self {
            base: window,
            part,
            select_part: |fetched, part| fetched.documents.get(&part),
            from,
            to: None,
            direction: way,
            ended: false,
        };
        // Ids were added as text, so they are valid UTF-8.
        rows.map(|row| row.map(|(id, stored)| (String::from_utf8_lossy(&id).into(), stored)))
    }
}

fn lower_bound(from: Bound<&[u8]>) -> Vec<u8> {
    match from {
        Bound::Unbounded => Vec::new(),
        Bound::Included(from) => from.to_vec(),
        Bound::Excluded(from) => successor(from),
    }
}

impl<V: Clone> FetchedScan<'_, V> {
    fn step(&self) -> ScanStep<V> {
        if self.to.as_ref().is_some_and(|to| *to <= self.from) {
            return ScanStep::End;
        }
        let fetched = self.base.fetched();
        let Some(known) = (self.select_part)(&fetched, self.part) else { return ScanStep::Unknown };
        match self.direction {
            ScanDirection::Forward => self.next_forward(known),
            ScanDirection::Backward => self.next_backward(known),
        }
    }

    fn next_forward(&self, known: &FetchedPart<V>) -> ScanStep<V> {
        let Some(reach) = known.ranges.covered_end(&self.from) else { return ScanStep::Unknown };
        let until = match (reach, self.to.as_deref()) {
            (Some(reach), Some(to)) => Some(reach.min(to)),
            (reach, to) => reach.or(to),
        };
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        match known.rows.range::<[u8], _>((Bound::Included(self.from.as_slice()), end)).next() {
            Some((key, value)) => ScanStep::Row(key.clone(), value.clone()),
            None if until == self.to.as_deref() => ScanStep::End,
            None => ScanStep::Unknown,
        }
    }

    fn next_backward(&self, known: &FetchedPart<V>) -> ScanStep<V> {
        let Some(reach) = known.ranges.covered_start(self.to.as_deref()) else { return ScanStep::Unknown };
        let begin = reach.max(self.from.as_slice());
        let end = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match known.rows.range::<[u8], _>((Bound::Included(begin), end)).next_back() {
            Some((key, value)) => ScanStep::Row(key.clone(), value.clone()),
            None if reach <= self.from.as_slice() => ScanStep::End,
            None => ScanStep::Unknown,
        }
    }

    /// Returns the read that continues the scan. It begins after the covered range.
    fn deferred_read(&self) -> DeferredRead {
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        if let Some(known) = (self.select_part)(&self.base.fetched(), self.part) {
            match self.direction {
                ScanDirection::Forward => from = known.ranges.covered_end(&from).flatten().map_or(from, <[u8]>::to_vec),
                ScanDirection::Backward => to = known.ranges.covered_start(to.as_deref()).map(<[u8]>::to_vec).or(to),
            }
        }
        DeferredRead::Rows { part: self.part, from, to, direction: self.direction }
    }
}

impl<V: Clone> Iterator for FetchedScan<'_, V> {
    type Item = Result<(EntryKey, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.step() {
            ScanStep::Row(key, value) => {
                match self.direction {
                    ScanDirection::Forward => self.from = successor(&key),
                    ScanDirection::Backward => self.to = Some(key.to_vec()),
                }
                Some(Ok((key, value)))
            }
            ScanStep::End => {
                self.ended = true;
                None
            }
            ScanStep::Unknown => {
                self.ended = true;
                Some(Err(self.base.defer(self.deferred_read())))
            }
        }
    }
}
