//! Builds a page from the server's rows: checks them against the filter, orders them by the query's sort and then by id, and drops those up to
//! the cursor.

use std::sync::Arc;

use crate::schema::{Collection, Query};
use crate::store::eval::{self, Cursor, SortKey};
use crate::store::{Page, Row, StoredDocument};
use crate::value::sort_by;

/// A document with its id.
pub(super) type DocumentWithId = (Arc<str>, StoredDocument);

/// Rows that are equal in the server's sort are pruned to those that can be on the page. That happens when there are more than this many, and
/// then each time they have doubled.
const PRUNE_THRESHOLD: usize = 256;

/// A page that is being built.
pub(super) struct PageBuilder<'a> {
    collection: &'static Collection,
    query: &'a Query,
    cursor: Option<&'a Cursor>,
    limit: usize,
    /// How many sort fields the server has sorted by. `None`: the rows come in their final order.
    presorted_fields: Option<usize>,
    /// Rows in their final order; one more than the limit if there are more.
    found: Vec<(SortKey, DocumentWithId)>,
    /// Rows that are equal in the server's sort, not in their final order yet.
    group: Vec<(SortKey, DocumentWithId)>,
    prune_above: usize,
}

impl<'a> PageBuilder<'a> {
    pub(super) fn new(
        collection: &'static Collection,
        query: &'a Query,
        cursor: Option<&'a Cursor>,
        served: Option<usize>,
    ) -> Self {
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        Self {
            collection,
            query,
            cursor,
            limit,
            presorted_fields: served,
            found: Vec::new(),
            group: Vec::new(),
            prune_above: PRUNE_THRESHOLD,
        }
    }

    /// Whether no later row can be on the page.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    /// Takes the next row, if it matches and is after the cursor.
    pub(super) fn push(&mut self, found: DocumentWithId) {
        if !eval::matches(self.collection, &self.query.filter, &found.1.document) {
            return;
        }
        let key = SortKey::new(self.collection, &self.query.sort, &found.1.document);
        if let Some(served) = self.presorted_fields
            && self.group.first().is_some_and(|(first, _)| first.fields()[..served] != key.fields()[..served])
        {
            self.finish_group();
        }
        let behind = |cursor: &Cursor| (&key, found.0.as_ref()) > (&cursor.key, cursor.id.as_str());
        if !self.cursor.is_none_or(behind) {
            return;
        }
        match self.presorted_fields {
            None => self.found.push((key, found)),
            Some(_) => self.group.push((key, found)),
        }
        if self.group.len() > self.prune_above {
            self.prune_group();
            self.prune_above = PRUNE_THRESHOLD.max(self.group.len().saturating_mul(2));
        }
    }

    /// Ends the group: no later row equals its rows in the server's sort.
    pub(super) fn finish_group(&mut self) {
        self.prune_group();
        self.found.append(&mut self.group);
    }

    /// Orders the group, and keeps the rows that can be on the page.
    fn prune_group(&mut self) {
        sort_by(&mut self.group, |(a, (x, _)), (b, (y, _))| (a, x).cmp(&(b, y)));
        self.group.truncate(self.limit.saturating_add(1).saturating_sub(self.found.len()));
    }

    pub(super) fn into_page(mut self) -> Page {
        let more = self.is_full();
        self.found.truncate(self.limit);
        let last = self.found.last().filter(|_| more);
        let cursor = last.map(|(key, (id, _))| Cursor { key: key.clone(), id: id.to_string() }.to_text());
        let rows = self.found.into_iter().map(|(_, (id, stored))| Row { id, stored: project(self.query, stored) });
        Page { items: rows.collect(), next: cursor }
    }
}

fn project(query: &Query, stored: StoredDocument) -> StoredDocument {
    if query.projection.is_empty() {
        return stored;
    }
    StoredDocument { document: Arc::new(eval::project(&stored.document, &query.projection)), ..stored }
}
