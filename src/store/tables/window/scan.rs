//! Going through the known rows of a part, up to where they are not known any more.

use std::ops::Bound;
use std::sync::Arc;

use super::{EntryKey, Fetched, Known, Way, Window, Wish};
use crate::store::{Error, Stored};

/// The least key behind a key.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The rows of a part between two keys.
pub(super) struct Scan<'a, V> {
    window: &'a Window,
    part: usize,
    known: fn(&Fetched, usize) -> Option<&Known<V>>,
    /// The first key that may come, included.
    from: Vec<u8>,
    /// The end, excluded; none: to the last key.
    to: Option<Vec<u8>>,
    way: Way,
    ended: bool,
}

/// What comes next.
enum Step<V> {
    Row(EntryKey, V),
    End,
    /// It is not known from here on.
    Unknown,
}

impl<'a> Scan<'a, Arc<str>> {
    pub(super) fn entries(
        window: &'a Window,
        part: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: Way,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), Error>> + use<'a> {
        let to = match range.1 {
            Bound::Unbounded => None,
            Bound::Excluded(to) => Some(to.to_vec()),
            Bound::Included(to) => Some(behind(to)),
        };
        Self {
            window,
            part,
            known: |fetched, part| fetched.entries.get(&part),
            from: first(range.0),
            to,
            way,
            ended: false,
        }
    }
}

impl<'a> Scan<'a, Option<Stored>> {
    /// Documents by their ids. An id under which nothing stands comes too.
    pub(super) fn documents(
        window: &'a Window,
        part: usize,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = Result<(Arc<str>, Option<Stored>), Error>> + use<'a> {
        let (from, way) = (first(from), Way::Forward);
        let rows = Self {
            window,
            part,
            known: |fetched, part| fetched.documents.get(&part),
            from,
            to: None,
            way,
            ended: false,
        };
        // Ids came as text.
        rows.map(|row| row.map(|(id, stored)| (String::from_utf8_lossy(&id).into(), stored)))
    }
}

fn first(from: Bound<&[u8]>) -> Vec<u8> {
    match from {
        Bound::Unbounded => Vec::new(),
        Bound::Included(from) => from.to_vec(),
        Bound::Excluded(from) => behind(from),
    }
}

impl<V: Clone> Scan<'_, V> {
    fn step(&self) -> Step<V> {
        if self.to.as_ref().is_some_and(|to| *to <= self.from) {
            return Step::End;
        }
        let fetched = self.window.fetched();
        let Some(known) = (self.known)(&fetched, self.part) else { return Step::Unknown };
        match self.way {
            Way::Forward => self.onward(known),
            Way::Backward => self.backward(known),
        }
    }

    fn onward(&self, known: &Known<V>) -> Step<V> {
        let Some(reach) = known.cover.onward(&self.from) else { return Step::Unknown };
        let until = match (reach, self.to.as_deref()) {
            (Some(reach), Some(to)) => Some(reach.min(to)),
            (reach, to) => reach.or(to),
        };
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        match known.rows.range::<[u8], _>((Bound::Included(self.from.as_slice()), end)).next() {
            Some((key, value)) => Step::Row(key.clone(), value.clone()),
            None if until == self.to.as_deref() => Step::End,
            None => Step::Unknown,
        }
    }

    fn backward(&self, known: &Known<V>) -> Step<V> {
        let Some(reach) = known.cover.backward(self.to.as_deref()) else { return Step::Unknown };
        let begin = reach.max(self.from.as_slice());
        let end = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match known.rows.range::<[u8], _>((Bound::Included(begin), end)).next_back() {
            Some((key, value)) => Step::Row(key.clone(), value.clone()),
            None if reach <= self.from.as_slice() => Step::End,
            None => Step::Unknown,
        }
    }

    /// What must be read to go on: nothing of what is known.
    fn wish(&self) -> Wish {
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        if let Some(known) = (self.known)(&self.window.fetched(), self.part) {
            match self.way {
                Way::Forward => from = known.cover.onward(&from).flatten().map_or(from, <[u8]>::to_vec),
                Way::Backward => to = known.cover.backward(to.as_deref()).map(<[u8]>::to_vec).or(to),
            }
        }
        Wish::Rows { part: self.part, from, to, way: self.way }
    }
}

impl<V: Clone> Iterator for Scan<'_, V> {
    type Item = Result<(EntryKey, V), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.step() {
            Step::Row(key, value) => {
                match self.way {
                    Way::Forward => self.from = behind(&key),
                    Way::Backward => self.to = Some(key.to_vec()),
                }
                Some(Ok((key, value)))
            }
            Step::End => {
                self.ended = true;
                None
            }
            Step::Unknown => {
                self.ended = true;
                Some(Err(self.window.wish(self.wish())))
            }
        }
    }
}
