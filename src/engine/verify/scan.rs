//! Reading many documents page by page. A scan over a collection by id continues behind a document that cannot be read.

use super::PAGE;
use crate::schema::{Collection, Filter, Kind, Query};
use crate::store::{Page, Row};

/// A scan over a collection by id.
pub(super) struct Scan {
    collection: &'static Collection,
    /// None: it is over.
    query: Option<Query>,
    /// The id of the last document that was read or skipped.
    last: Option<String>,
    /// Ids of documents to be skipped, the nearest one last.
    bounds: Vec<String>,
    complete: bool,
}

impl Scan {
    pub(super) fn by_id(collection: &'static Collection) -> Self {
        let query = Some(Query::of(collection).limit(PAGE));
        Self { collection, query, last: None, bounds: Vec::new(), complete: true }
    }

    /// Only these top-level fields.
    pub(super) fn projected(mut self, fields: Vec<String>) -> Self {
        self.query = self.query.map(|query| Query { projection: fields, ..query });
        self
    }

    /// The query for the next page; none: the scan is over.
    pub(super) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// Whether it has read all documents so far.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes the page that the query returned.
    pub(super) fn take(&mut self, page: Page) -> Vec<Row> {
        if let Some(row) = page.rows.last() {
            self.last = Some(row.id.to_string());
        }
        match (page.cursor, self.bounds.pop()) {
            (Some(cursor), bound) => {
                self.bounds.extend(bound);
                self.query = self.query.take().map(|query| query.after(Some(cursor)));
            }
            (None, Some(skipped)) => {
                self.last = Some(skipped);
                self.resume();
            }
            (None, None) => self.query = None,
        }
        page.rows
    }

    /// Skips the document `at`, which cannot be read: documents before it are read first, then those behind it. A collection without the field `id`
    /// cannot be scanned further.
    pub(super) fn skip(&mut self, at: &str) {
        self.complete = false;
        let id = at.strip_prefix(self.collection.name).and_then(|rest| rest.strip_prefix('/'));
        let has_id = self.collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
        let is_new = |id: &&str| self.bounds.iter().all(|bound| bound != id) && self.last.as_deref() != Some(*id);
        match id.filter(|_| has_id).filter(is_new) {
            Some(id) => {
                self.bounds.push(id.to_owned());
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
        if let Some((path, id)) = self.bounds.last().map(bound) {
            next = next.filter(Filter::Lt(path, id));
        }
        self.query = Some(next);
    }
}

/// The pages of a query.
pub(super) struct Pages {
    /// None: the last page was read, or one cannot be read.
    pub(super) query: Option<Query>,
    /// No page was unreadable.
    pub(super) complete: bool,
}

impl Pages {
    pub(super) fn of(query: Query) -> Self {
        Self { query: Some(query), complete: true }
    }
}
