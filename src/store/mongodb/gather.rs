//! Rows as they come from the server, judged and put in order: in the order asked for, the id last, and behind the cursor.

use std::sync::Arc;

use crate::schema::{Collection, Query};
use crate::store::eval::{self, Cursor, SortKey};
use crate::store::{Page, Row, Stored};
use crate::value::sort_by;

/// A document and its id.
pub(super) type Found = (Arc<str>, Stored);

/// Rows that are equal in what the server sorts by are thinned out to what can be on the page each time they have doubled, and not before they
/// are so many.
const THIN_OUT: usize = 256;

/// One page under way.
pub(super) struct Gathering<'a> {
    collection: &'static Collection,
    query: &'a Query,
    cursor: Option<&'a Cursor>,
    limit: usize,
    /// How many fields of the order the server has sorted by; `None`: rows come in the very order.
    served: Option<usize>,
    /// In order; one more than the limit where there are more.
    found: Vec<(SortKey, Found)>,
    /// Equal in what the server has sorted by, not yet in order.
    group: Vec<(SortKey, Found)>,
    enough: usize,
}

impl<'a> Gathering<'a> {
    pub(super) fn of(
        collection: &'static Collection,
        query: &'a Query,
        cursor: Option<&'a Cursor>,
        served: Option<usize>,
    ) -> Self {
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        Self { collection, query, cursor, limit, served, found: Vec::new(), group: Vec::new(), enough: THIN_OUT }
    }

    /// What comes later is not on the page.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    /// Takes the next row, if it matches and stands behind the cursor.
    pub(super) fn take(&mut self, found: Found) {
        if !eval::matches(self.collection, &self.query.filter, &found.1.document) {
            return;
        }
        let key = SortKey::of(self.collection, &self.query.sort, &found.1.document);
        if let Some(served) = self.served
            && self.group.first().is_some_and(|(first, _)| first.fields()[..served] != key.fields()[..served])
        {
            self.end();
        }
        let behind = |cursor: &Cursor| (&key, found.0.as_ref()) > (&cursor.key, cursor.id.as_str());
        if !self.cursor.is_none_or(behind) {
            return;
        }
        match self.served {
            None => self.found.push((key, found)),
            Some(_) => self.group.push((key, found)),
        }
        if self.group.len() > self.enough {
            self.thin_out();
            self.enough = THIN_OUT.max(self.group.len().saturating_mul(2));
        }
    }

    /// Nothing more comes that is equal to the last rows.
    pub(super) fn end(&mut self) {
        self.thin_out();
        self.found.append(&mut self.group);
    }

    /// Keeps of the last rows what can be on the page, in order.
    fn thin_out(&mut self) {
        sort_by(&mut self.group, |(a, (x, _)), (b, (y, _))| (a, x).cmp(&(b, y)));
        self.group.truncate(self.limit.saturating_add(1).saturating_sub(self.found.len()));
    }

    pub(super) fn page(mut self) -> Page {
        let more = self.is_full();
        self.found.truncate(self.limit);
        let last = self.found.last().filter(|_| more);
        let cursor = last.map(|(key, (id, _))| Cursor { key: key.clone(), id: id.to_string() }.to_text());
        let rows = self.found.into_iter().map(|(_, (id, stored))| Row { id, stored: shown(self.query, stored) });
        Page { rows: rows.collect(), cursor }
    }
}

fn shown(query: &Query, stored: Stored) -> Stored {
    if query.projection.is_empty() {
        return stored;
    }
    Stored { document: Arc::new(eval::project(&stored.document, &query.projection)), ..stored }
}
