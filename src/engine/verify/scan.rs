//! Reads many documents page by page. A scan of a collection by id continues after a document that cannot be read.

use super::PAGE;
use crate::schema::{Collection, Filter, Kind, Query};
use crate::store::{Page, Row};

/// A scan over a collection by id.
pub(super) struct CollectionScan {
    collection: &'static Collection,
    /// `None`: the scan has ended.
    query: Option<Query>,
    /// The id of the last document that was read or skipped.
    last: Option<String>,
    /// Ids of documents to skip, the nearest one last.
    skipped_ids: Vec<String>,
    complete: bool,
}

impl CollectionScan {
    pub(super) fn by_id(collection: &'static Collection) -> Self {
        let query = Some(Query::of(collection).limit(PAGE));
        Self { collection, query, last: None, skipped_ids: Vec::new(), complete: true }
    }

    /// Reads only these top-level fields.
    pub(super) fn projected(mut self, fields: Vec<String>) -> Self {
        self.query = self.query.map(|query| Query { projection: fields, ..query });
        self
    }

    /// The query for the next page; `None`: the scan has ended.
    pub(super) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// Whether it has skipped no document so far.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes the page that the query returned.
    pub(super) fn take(&mut self, page: Page) -> Vec<Row> {
        if let Some(row) = page.items.last() {
            self.last = Some(row.id.to_string());
        }
        match (page.next, self.skipped_ids.pop()) {
            (Some(cursor), bound) => {
                self.skipped_ids.extend(bound);
                self.query = self.query.take().map(|query| query.after(Some(cursor)));
            }
            (None, Some(skipped)) => {
                self.last = Some(skipped);
                self.resume();
            }
            (None, None) => self.query = None,
        }
        page.items
    }

    /// Skips the document `at`, which cannot be read: the documents before it are read first, then those after it. A collection without the
    /// field `id` cannot be scanned further.
    pub(super) fn skip(&mut self, at: &str) {
        self.complete = false;
        let id = at.strip_prefix(self.collection.name).and_then(|rest| rest.strip_prefix('/'));
        let has_id = self.collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
        let is_new = |id: &&str| self.skipped_ids.iter().all(|bound| bound != id) && self.last.as_deref() != Some(*id);
        match id.filter(|_| has_id).filter(is_new) {
            Some(id) => {
                self.skipped_ids.push(id.to_owned());
                self.resume();
            }
            None => self.query = None,
        }
    }

    /// Continues from the last document up to the next one that is skipped.
    fn resume(&mut self) {
        let Some(query) = self.query.take() else { return };
        let mut next = Query { filter: Filter::All, cursor: None, ..query };
        let bound = |id: &String| ("id".to_owned(), id.as_str().into());
        if let Some((path, id)) = self.last.as_ref().map(bound) {
            next = next.filter(Filter::Gt(path, id));
        }
        if let Some((path, id)) = self.skipped_ids.last().map(bound) {
            next = next.filter(Filter::Lt(path, id));
        }
        self.query = Some(next);
    }
}

/// The pages of a query.
pub(super) struct QueryPages {
    /// `None`: the last page was read, or a page cannot be read.
    pub(super) query: Option<Query>,
    /// Whether every page could be read.
    pub(super) complete: bool,
}

impl QueryPages {
    pub(super) fn of(query: Query) -> Self {
        Self { query: Some(query), complete: true }
    }
}
