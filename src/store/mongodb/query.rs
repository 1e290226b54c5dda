//! Queries. The server selects by index, and sorts where its order equals that of the reference implementation. The reference implementation
//! checks each row, and rows that are equal in the server's sort are ordered here. There is no read fence (docs/decisions/0013).

use std::sync::Arc;

use mongodb::bson::{Document as Doc, doc};

use super::Mongo;
use super::codec::CollectionCodec;
use super::condition::Condition;
use super::filter::translate;
use super::page_builder::PageBuilder;
use super::read::BATCH;
use super::retry::AttemptError;
use super::sort::SortPushdown;
use crate::schema::{Collection, Filter, Query, RESERVED};
use crate::store::eval::Cursor;
use crate::store::{Page, StoreError};

/// Rows that are requested beyond a page and one more. As many rows may tie with the last one of a page before all rows must be read.
const EXTRA_ROWS: u32 = 16;

impl Mongo {
    /// Runs a query.
    pub(super) async fn run_query(&self, query: &Query) -> Result<Page, StoreError> {
        let declared = self.require_codec(&query.collection)?;
        let plan = QueryPlan::new(&declared, query)?;
        if query.limit == Some(0) {
            return Ok(Page::default());
        }
        self.retry(&format!("querying {}", query.collection), || Box::pin(self.read_page(&plan))).await
    }

    /// The codec of the queried collection.
    pub(super) fn require_codec(&self, name: &str) -> Result<Arc<CollectionCodec>, StoreError> {
        self.codec(name).ok_or_else(|| StoreError::InvalidQuery {
            collection: name.to_owned(),
            reason: "the collection is not declared".to_owned(),
        })
    }

    async fn read_page(&self, plan: &QueryPlan<'_>) -> Result<Page, AttemptError> {
        if let Some(enough) = plan.sufficient_rows() {
            let mut few = plan.page_builder();
            let mut command = plan.command();
            command.insert("limit", enough);
            // If the last rows tie with rows that were not returned, all are read: ids decide which are first.
            if self.fill_page(plan, command, Some(enough), &mut few).await? {
                return Ok(few.into_page());
            }
        }
        let mut all = plan.page_builder();
        self.fill_page(plan, plan.command(), None, &mut all).await?;
        Ok(all.into_page())
    }

    /// Reads until the page is full or no row is left. Returns `false` if the limit ended it before.
    async fn fill_page(
        &self,
        plan: &QueryPlan<'_>,
        command: Doc,
        limit: Option<u32>,
        rows: &mut PageBuilder<'_>,
    ) -> Result<bool, AttemptError> {
        // A batch with room for one more row than the limit closes the cursor; a batch of exactly the limit does not.
        let batch = limit.map_or_else(|| plan.batch_size(), |limit| limit.saturating_add(1));
        let mut found = self.find(&plan.query.collection, command, batch).await?;
        let mut received = 0;
        while !rows.is_full() && found.advance().await? {
            received += 1;
            rows.push(plan.codec.decode_document(found.current())?);
        }
        let ended = limit.is_none_or(|limit| received < limit);
        if ended {
            rows.finish_group();
        }
        Ok(ended || rows.is_full())
    }
}

/// How the server runs a query.
struct QueryPlan<'a> {
    codec: &'a CollectionCodec,
    query: &'a Query,
    cursor: Option<Cursor>,
    condition: Condition,
    /// Whether every row that the server returns matches.
    exact: bool,
    order: ServerSort,
    projection: Option<Doc>,
}

/// How the server sorts.
enum ServerSort {
    /// Not at all: all rows are read and sorted here.
    Unsorted,
    /// By id, which is the final order.
    ById,
    /// By the leading sort fields.
    ByFields(SortPushdown),
}

impl<'a> QueryPlan<'a> {
    fn new(declared: &'a CollectionCodec, query: &'a Query) -> Result<Self, StoreError> {
        let cursor = Cursor::from_query(declared.collection, query)?;
        let asked = translate(declared, &query.filter);
        let order = SortPushdown::new(declared, &query.sort);
        let from = match &cursor {
            None => Condition::Every,
            Some(cursor) if query.sort.is_empty() => Condition::Matching(doc! {"_id": {"$gt": &cursor.id}}),
            Some(cursor) => order.cursor_condition(cursor),
        };
        let order = match query.limit {
            // All rows are kept anyway, and the planner chooses an index for the filter alone.
            None => ServerSort::Unsorted,
            // There is at most one row.
            Some(_) if matches_at_most_one(declared.collection, &query.filter) => ServerSort::Unsorted,
            Some(_) if query.sort.is_empty() => ServerSort::ById,
            Some(_) if order.len() == 0 => ServerSort::Unsorted,
            Some(_) => ServerSort::ByFields(order),
        };
        let condition = Condition::all([asked.condition, from]);
        Ok(Self { codec: declared, query, cursor, condition, exact: asked.exact, order, projection: projection(query) })
    }

    fn command(&self) -> Doc {
        let mut command = doc! {"filter": self.condition.clone().filter()};
        match &self.order {
            ServerSort::Unsorted => {}
            ServerSort::ById => drop(command.insert("sort", doc! {"_id": 1})),
            ServerSort::ByFields(order) => drop(command.insert("sort", order.to_document())),
        }
        if let Some(projection) = &self.projection {
            command.insert("projection", projection.clone());
        }
        command
    }

    /// How many rows nearly always suffice for a page. `None` if that is not known.
    fn sufficient_rows(&self) -> Option<u32> {
        let limit = self.query.limit.filter(|_| self.exact)?.saturating_add(1);
        match self.order {
            ServerSort::Unsorted => None,
            ServerSort::ById => Some(limit),
            ServerSort::ByFields(_) => Some(limit.saturating_add(EXTRA_ROWS)),
        }
        .filter(|enough| i32::try_from(enough.saturating_add(1)).is_ok())
    }

    fn page_builder(&self) -> PageBuilder<'_> {
        let served = match &self.order {
            ServerSort::Unsorted => Some(0),
            ServerSort::ByFields(order) => Some(order.len()),
            ServerSort::ById => None,
        };
        PageBuilder::new(self.codec.collection, self.query, self.cursor.as_ref(), served)
    }

    /// The batch size if rows are read until the page is full.
    fn batch_size(&self) -> u32 {
        let page = self.query.limit.filter(|_| !matches!(self.order, ServerSort::Unsorted));
        page.map_or(BATCH, |limit| limit.saturating_add(1 + EXTRA_ROWS).min(BATCH))
    }
}

/// Whether a unique index allows only one match.
fn matches_at_most_one(collection: &Collection, filter: &Filter) -> bool {
    let unique = collection.indexes.iter().filter(|index| index.unique && index.partial.is_none());
    let mut whole = unique.map(|index| index.fields.iter().all(|(path, _)| fixes_value(filter, path)));
    whole.any(|whole| whole)
}

/// Whether every match has the same value at `path`.
fn fixes_value(filter: &Filter, path: &str) -> bool {
    match filter {
        Filter::Eq(at, _) => at == path,
        Filter::And(all) => all.iter().any(|inner| fixes_value(inner, path)),
        _ => false,
    }
}

/// The projected fields, and those that the filter and the sort read. `None` for all fields.
fn projection(query: &Query) -> Option<Doc> {
    if query.projection.is_empty() {
        return None;
    }
    let mut fields: Vec<&str> = query.projection.iter().map(String::as_str).collect();
    fields.extend(query.sort.iter().map(|sort| top_field(&sort.field)));
    collect_filter_fields(&query.filter, &mut fields);
    Some(include_fields(fields))
}

/// A projection of these fields and the store's own.
pub(super) fn include_fields<'a>(fields: impl IntoIterator<Item = &'a str>) -> Doc {
    let mut only = doc! {"_rev": 1, "_v": 1};
    // No document has a field with another name.
    let named = |name: &&str| !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0']);
    for name in fields.into_iter().filter(|name| named(name) && !RESERVED.contains(name)) {
        only.insert(name, 1);
    }
    only
}

/// The top-level fields that a filter reads.
pub(super) fn collect_filter_fields<'a>(filter: &'a Filter, into: &mut Vec<&'a str>) {
    match filter {
        Filter::All => {}
        Filter::Eq(path, _)
        | Filter::Ne(path, _)
        | Filter::In(path, _)
        | Filter::Lt(path, _)
        | Filter::Lte(path, _)
        | Filter::Gt(path, _)
        | Filter::Gte(path, _)
        | Filter::Exists(path, _)
        | Filter::Contains(path, _)
        | Filter::Text(path, _) => into.push(top_field(path)),
        Filter::And(all) | Filter::Or(all) => all.iter().for_each(|inner| collect_filter_fields(inner, into)),
        Filter::Not(inner) => collect_filter_fields(inner, into),
    }
}

/// The top-level field in which a dotted path begins.
pub(super) fn top_field(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}
