//! Queries. The server selects by index, and sorts where its order equals that of the reference implementation. The
//! reference implementation checks each row, and rows that are equal in the server's sort are ordered here. A
//! linearizable query passes the read fence first (docs/decisions/0013).
//!
//! A page has the server's rows that match the filter, ordered by the query's sort and then by id, without those up to
//! the cursor.

use std::sync::Arc;

use mongodb::bson::{Document as Doc, doc};
use runstate_core::marker::BoxFuture;
use runstate_core::schema::{Collection, Filter, Query, RESERVED};
use runstate_store::eval::{Cursor, SortKey};
use runstate_store::{Freshness, Page, Row, StoreError, StoredDocument, eval};
use runstate_value::sort_by;

use super::Mongo;
use super::codec::CollectionCodec;
use super::condition::ServerFilter;
use super::filter::{add_text_search, translate};
use super::read::BATCH;
use super::retry::AttemptError;
use super::sort::SortPushdown;
use crate::{read, read_fence, retry, time_series};

/// Rows that are requested beyond a page and one more. As many rows may tie with the last one of a page before all rows
/// must be read.
const EXTRA_ROWS: u32 = 16;

pub(super) async fn run_query(mongo: &Mongo, query: &Query, freshness: Freshness) -> Result<Page<Row>, StoreError> {
    let codec = require_codec(mongo, &query.collection)?;
    let by_time = time_series::order_by_time(&codec, query);
    let query = by_time.as_ref().unwrap_or(query);
    let plan = QueryPlan::new(&codec, query)?;
    if query.limit == Some(0) {
        return Ok(Page::new(Vec::new(), None));
    }
    let attempt = || -> BoxFuture<'_, Result<Page<Row>, AttemptError>> {
        Box::pin(async {
            if freshness == Freshness::Linearizable {
                // The query then names this time, or a later one that was confirmed meanwhile.
                read_fence::pass_read_fence(mongo).await?;
            }
            read_page(mongo, &plan).await
        })
    };
    retry::retry(mongo, &format!("querying {}", query.collection), attempt).await
}

/// The codec of the queried collection.
pub(super) fn require_codec(mongo: &Mongo, name: &str) -> Result<Arc<CollectionCodec>, StoreError> {
    mongo.codec(name).ok_or_else(|| StoreError::InvalidQuery {
        collection: name.to_owned(),
        reason: "the collection is not declared".to_owned(),
    })
}

async fn read_page(mongo: &Mongo, plan: &QueryPlan<'_>) -> Result<Page<Row>, AttemptError> {
    if let Some(count) = plan.sufficient_rows() {
        let mut builder = PageBuilder::new(plan);
        let mut command = plan.command();
        command.insert("limit", count);
        // If the last rows tie with rows that were not returned, all are read: ids decide which are first.
        if fill_page(mongo, plan, command, Some(count), &mut builder).await? {
            return Ok(builder.into_page());
        }
    }
    let mut builder = PageBuilder::new(plan);
    fill_page(mongo, plan, plan.command(), None, &mut builder).await?;
    Ok(builder.into_page())
}

/// Reads until the page is full or no row is left. Returns `false` if the limit ended it before.
async fn fill_page(
    mongo: &Mongo,
    plan: &QueryPlan<'_>,
    command: Doc,
    limit: Option<u32>,
    page: &mut PageBuilder<'_>,
) -> Result<bool, AttemptError> {
    // A batch with room for one more row than the limit closes the cursor; a batch of exactly the limit does not.
    let batch = limit.map_or_else(|| plan.batch_size(), |limit| limit.saturating_add(1));
    let mut cursor = read::find(mongo, &plan.query.collection, command, batch).await?;
    let mut received = 0;
    while !page.is_full() && cursor.advance().await? {
        received += 1;
        match plan.codec.decode_document(cursor.current()) {
            Ok(row) => page.push(row),
            Err(error) if plan.query.unreadable => {
                page.unreadable.add_damaged(error.into_damaged(&plan.query.collection))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let exhausted = limit.is_none_or(|limit| received < limit);
    if exhausted {
        page.finish_group();
    }
    Ok(exhausted || page.is_full())
}

/// How the server runs a query.
struct QueryPlan<'a> {
    codec: &'a CollectionCodec,
    query: &'a Query,
    cursor: Option<Cursor>,
    filter: ServerFilter,
    /// Whether the filter searches the text index.
    searches_text: bool,
    /// How the server sorts. Empty: all rows are read and sorted here.
    sort: Doc,
    /// How many fields of the query's order that is. `None`: it is the final order.
    presorted_fields: Option<usize>,
    projection: Doc,
}

impl<'a> QueryPlan<'a> {
    fn new(codec: &'a CollectionCodec, query: &'a Query) -> Result<Self, StoreError> {
        let cursor = Cursor::from_query(codec.collection, query)?;
        let order = SortPushdown::new(codec, &query.sort);
        let from = cursor.as_ref().map(|cursor| match query.sort.is_empty() {
            true => ServerFilter::exact(doc! {"_id": {"$gt": &cursor.id}}),
            false => order.cursor_filter(cursor),
        });
        let mut filter = ServerFilter::all([translate(codec, &query.filter)].into_iter().chain(from));
        let searches_text = add_text_search(codec, &query.filter, &mut filter.filter);
        // If all rows are kept anyway, or there is at most one, the planner chooses an index for the filter alone.
        let (sort, presorted_fields) = match query.limit {
            None => (Doc::new(), Some(0)),
            Some(_) if matches_at_most_one(codec.collection, &query.filter) => (Doc::new(), Some(0)),
            Some(_) if query.sort.is_empty() => (doc! {"_id": 1}, None),
            Some(_) => (order.to_document(), Some(order.len())),
        };
        let projection = projection(query);
        Ok(Self { codec, query, cursor, filter, searches_text, sort, presorted_fields, projection })
    }

    fn command(&self) -> Doc {
        doc! {"filter": &self.filter.filter, "sort": &self.sort, "projection": &self.projection}
    }

    /// How many rows nearly always suffice for a page. `None` if that is not known.
    fn sufficient_rows(&self) -> Option<u32> {
        // Nearly all documents that the text index finds match.
        let is_exact = self.filter.exact || self.searches_text;
        let limit = self.query.limit.filter(|_| is_exact && !self.sort.is_empty())?;
        let ties = if self.presorted_fields.is_none() { 0 } else { EXTRA_ROWS };
        limit.checked_add(1 + ties).filter(|count| i32::try_from(count.saturating_add(1)).is_ok())
    }

    /// The batch size if rows are read until the page is full.
    fn batch_size(&self) -> u32 {
        let page = self.query.limit.filter(|_| !self.sort.is_empty());
        page.map_or(BATCH, |limit| limit.saturating_add(1 + EXTRA_ROWS).min(BATCH))
    }
}

/// Whether a unique index allows only one match.
fn matches_at_most_one(collection: &Collection, filter: &Filter) -> bool {
    let mut unique = collection.indexes.iter().filter(|index| index.unique && index.partial.is_none());
    unique.any(|index| index.fields.iter().all(|(path, _)| fixes_value(filter, path)))
}

/// Whether every match has the same value at `path`.
fn fixes_value(filter: &Filter, path: &str) -> bool {
    match filter {
        Filter::Eq(at, _) => at == path,
        Filter::And(all) => all.iter().any(|inner| fixes_value(inner, path)),
        _ => false,
    }
}

/// The projected fields, and those that the filter and the sort read. Empty for all fields.
fn projection(query: &Query) -> Doc {
    if query.projection.is_empty() {
        return Doc::new();
    }
    let read = query.sort.iter().map(|sort| sort.field.as_str()).chain(query.filter.fields());
    include_fields(query.projection.iter().map(String::as_str).chain(read.map(top_field)))
}

/// A projection of these fields and the store's own.
pub(super) fn include_fields<'a>(fields: impl IntoIterator<Item = &'a str>) -> Doc {
    let mut projection = doc! {"_rev": 1, "_v": 1};
    // No document has a field with another name.
    let is_addressable = |name: &&str| !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0']);
    for name in fields.into_iter().filter(|name| is_addressable(name) && !RESERVED.contains(name)) {
        projection.insert(name, 1);
    }
    projection
}

/// The top-level field in which a dotted path begins.
pub(super) fn top_field(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}

type DocumentWithId = (Arc<str>, StoredDocument);

/// Rows that are equal in the server's sort are pruned to those that can be on the page. That happens when there are
/// more than this many, and then each time they have doubled.
const PRUNE_THRESHOLD: usize = 256;

/// A page that is being built.
struct PageBuilder<'a> {
    plan: &'a QueryPlan<'a>,
    limit: usize,
    /// Rows in their final order; one more than the limit if a next page exists.
    ordered: Vec<(SortKey, DocumentWithId)>,
    /// Rows that are equal in the server's sort, not in their final order yet.
    group: Vec<(SortKey, DocumentWithId)>,
    prune_above: usize,
    /// A page with the documents that cannot be read.
    unreadable: Page<Row>,
}

impl<'a> PageBuilder<'a> {
    fn new(plan: &'a QueryPlan<'a>) -> Self {
        let limit = plan.query.limit.map_or(usize::MAX, |limit| limit as usize);
        Self {
            plan,
            limit,
            ordered: Vec::new(),
            group: Vec::new(),
            prune_above: PRUNE_THRESHOLD,
            unreadable: Page::default(),
        }
    }

    /// Whether no later row can be on the page.
    fn is_full(&self) -> bool {
        self.ordered.len() > self.limit
    }

    /// Takes the next row, if it matches and is after the cursor.
    fn push(&mut self, row: DocumentWithId) {
        let QueryPlan { codec, query, cursor, presorted_fields, .. } = self.plan;
        if !eval::matches(codec.collection, &query.filter, &row.1.document) {
            return;
        }
        let key = SortKey::new(codec.collection, &query.sort, &row.1.document);
        if let Some(count) = *presorted_fields
            && self.group.first().is_some_and(|(first, _)| first.fields()[..count] != key.fields()[..count])
        {
            self.finish_group();
        }
        if cursor.as_ref().is_some_and(|cursor| (&key, row.0.as_ref()) <= (&cursor.key, cursor.id.as_str())) {
            return;
        }
        match presorted_fields {
            None => self.ordered.push((key, row)),
            Some(_) => self.group.push((key, row)),
        }
        if self.group.len() > self.prune_above {
            self.prune_group();
            self.prune_above = PRUNE_THRESHOLD.max(self.group.len().saturating_mul(2));
        }
    }

    /// Ends the group: no later row equals its rows in the server's sort.
    fn finish_group(&mut self) {
        self.prune_group();
        self.ordered.append(&mut self.group);
    }

    /// Orders the group, and keeps the rows that can be on the page.
    fn prune_group(&mut self) {
        sort_by(&mut self.group, |(a, (x, _)), (b, (y, _))| (a, x).cmp(&(b, y)));
        // A row of a time series may be stored twice.
        self.group.dedup_by(|(_, (x, _)), (_, (y, _))| x == y);
        self.group.truncate(self.limit.saturating_add(1).saturating_sub(self.ordered.len()));
    }

    fn into_page(mut self) -> Page<Row> {
        let has_next = self.is_full();
        self.ordered.truncate(self.limit);
        let last = self.ordered.last().filter(|_| has_next);
        let query = self.plan.query;
        let next = last.map(|(key, (id, _))| Cursor { key: key.clone(), id: id.to_string() }.to_text(query));
        let rows = self.ordered.into_iter().map(|(_, (id, stored))| Row::new(id, project(query, stored)));
        Page { items: rows.collect(), next, ..self.unreadable }
    }
}

fn project(query: &Query, stored: StoredDocument) -> StoredDocument {
    if query.projection.is_empty() {
        return stored;
    }
    StoredDocument { document: Arc::new(eval::project(&stored.document, &query.projection)), ..stored }
}
