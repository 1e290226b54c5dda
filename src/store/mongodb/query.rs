//! Questions for documents. The server finds by index and keeps the order where it is ours; what comes is judged by the reference, and rows
//! that are equal in what the server sorts by are put in order here.

use std::sync::Arc;

use mongodb::bson::{Document as Doc, doc};

use super::Mongo;
use super::again::Stop;
use super::asking::BATCH;
use super::codec::Declared;
use super::condition::Condition;
use super::filter::translate;
use super::gather::Gathering;
use super::sort::Order;
use crate::schema::{Collection, Filter, Query, RESERVED};
use crate::store::eval::Cursor;
use crate::store::{Error, Page};

/// Rows that are asked for beyond a page and one more: as many may be equal to its last one, and one of them come first.
const BEYOND: u32 = 16;

impl Mongo {
    /// The documents that match.
    pub(super) async fn ask_query(&self, query: &Query) -> Result<Page, Error> {
        let declared = self.asked(&query.collection)?;
        let plan = Plan::of(&declared, query)?;
        if query.limit == Some(0) {
            return Ok(Page::default());
        }
        self.again(&format!("querying {}", query.collection), || Box::pin(self.page(&plan))).await
    }

    /// What is declared of the collection that is asked.
    pub(super) fn asked(&self, name: &str) -> Result<Arc<Declared>, Error> {
        self.declared(name).ok_or_else(|| Error::InvalidQuery {
            collection: name.to_owned(),
            reason: "the collection is not declared".to_owned(),
        })
    }

    async fn page(&self, plan: &Plan<'_>) -> Result<Page, Stop> {
        if let Some(enough) = plan.enough() {
            let mut few = plan.gathering();
            let mut command = plan.command();
            command.insert("limit", enough);
            // Where the last rows are equal to others that did not come all are read: which are first is told by their ids.
            if self.gather(plan, command, Some(enough), &mut few).await? {
                return Ok(few.page());
            }
        }
        let mut all = plan.gathering();
        self.gather(plan, plan.command(), None, &mut all).await?;
        Ok(all.page())
    }

    /// Reads until there is enough for the page, or nothing more; `false`: no more came because the server was told to stop.
    async fn gather(
        &self,
        plan: &Plan<'_>,
        command: Doc,
        told: Option<u32>,
        rows: &mut Gathering<'_>,
    ) -> Result<bool, Stop> {
        // A batch with room for one more than the limit ends the cursor; one that is just full does not.
        let batch = told.map_or_else(|| plan.batch(), |told| told.saturating_add(1));
        let mut found = self.find(&plan.query.collection, command, batch).await?;
        let mut came = 0;
        while !rows.is_full() && found.advance().await? {
            came += 1;
            rows.take(plan.declared.decode_document(found.current())?);
        }
        let ended = told.is_none_or(|told| came < told);
        if ended {
            rows.end();
        }
        Ok(ended || rows.is_full())
    }
}

/// How a query is put to the server.
struct Plan<'a> {
    declared: &'a Declared,
    query: &'a Query,
    cursor: Option<Cursor>,
    condition: Condition,
    /// What comes matches, as far as the server is right.
    exact: bool,
    order: Sorted,
    projection: Option<Doc>,
}

/// What the server sorts.
enum Sorted {
    /// Nothing: all are read and sorted here.
    Here,
    /// By id, which is the whole order.
    ById,
    /// By the leading fields of the order.
    By(Order),
}

impl<'a> Plan<'a> {
    fn of(declared: &'a Declared, query: &'a Query) -> Result<Self, Error> {
        let cursor = Cursor::of(declared.collection, query)?;
        let asked = translate(declared, &query.filter);
        let order = Order::of(declared, &query.sort);
        let from = match &cursor {
            None => Condition::Every,
            Some(cursor) if query.sort.is_empty() => Condition::Where(doc! {"_id": {"$gt": &cursor.id}}),
            Some(cursor) => order.from(cursor),
        };
        let order = match query.limit {
            // All are kept anyway, and an index is chosen for what it finds alone.
            None => Sorted::Here,
            // Nothing is to be sorted.
            Some(_) if names_one(declared.collection, &query.filter) => Sorted::Here,
            Some(_) if query.sort.is_empty() => Sorted::ById,
            Some(_) if order.len() == 0 => Sorted::Here,
            Some(_) => Sorted::By(order),
        };
        let condition = Condition::all([asked.condition, from]);
        Ok(Self { declared, query, cursor, condition, exact: asked.exact, order, projection: projection(query) })
    }

    fn command(&self) -> Doc {
        let mut command = doc! {"filter": self.condition.clone().filter()};
        match &self.order {
            Sorted::Here => {}
            Sorted::ById => drop(command.insert("sort", doc! {"_id": 1})),
            Sorted::By(order) => drop(command.insert("sort", order.told())),
        }
        if let Some(projection) = &self.projection {
            command.insert("projection", projection.clone());
        }
        command
    }

    /// How many rows are enough for a page in nearly all cases; `None`: that cannot be told.
    fn enough(&self) -> Option<u32> {
        let limit = self.query.limit.filter(|_| self.exact)?.saturating_add(1);
        match self.order {
            Sorted::Here => None,
            Sorted::ById => Some(limit),
            Sorted::By(_) => Some(limit.saturating_add(BEYOND)),
        }
        .filter(|enough| i32::try_from(enough.saturating_add(1)).is_ok())
    }

    fn gathering(&self) -> Gathering<'_> {
        let served = match &self.order {
            Sorted::Here => Some(0),
            Sorted::By(order) => Some(order.len()),
            Sorted::ById => None,
        };
        Gathering::of(self.declared.collection, self.query, self.cursor.as_ref(), served)
    }

    /// How many rows come at once where they are read until there is enough.
    fn batch(&self) -> u32 {
        let page = self.query.limit.filter(|_| !matches!(self.order, Sorted::Here));
        page.map_or(BATCH, |limit| limit.saturating_add(1 + BEYOND).min(BATCH))
    }
}

/// Whether a unique index lets no more than one document match.
fn names_one(collection: &Collection, filter: &Filter) -> bool {
    let unique = collection.indexes.iter().filter(|index| index.unique && index.partial.is_none());
    let mut whole = unique.map(|index| index.fields.iter().all(|(path, _)| pins(filter, path)));
    whole.any(|whole| whole)
}

/// Whether one value only can stand at `path` of what matches.
fn pins(filter: &Filter, path: &str) -> bool {
    match filter {
        Filter::Eq(at, _) => at == path,
        Filter::And(all) => all.iter().any(|inner| pins(inner, path)),
        _ => false,
    }
}

/// The fields that are shown, and those that the filter and the order read; `None`: all.
fn projection(query: &Query) -> Option<Doc> {
    if query.projection.is_empty() {
        return None;
    }
    let mut fields: Vec<&str> = query.projection.iter().map(String::as_str).collect();
    fields.extend(query.sort.iter().map(|sort| top(&sort.field)));
    paths(&query.filter, &mut fields);
    Some(only(fields))
}

/// These fields and those of the store itself.
pub(super) fn only<'a>(fields: impl IntoIterator<Item = &'a str>) -> Doc {
    let mut only = doc! {"_rev": 1, "_v": 1};
    // No document has another field.
    let named = |name: &&str| !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0']);
    for name in fields.into_iter().filter(|name| named(name) && !RESERVED.contains(name)) {
        only.insert(name, 1);
    }
    only
}

/// The top-level fields that a filter reads.
pub(super) fn paths<'a>(filter: &'a Filter, into: &mut Vec<&'a str>) {
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
        | Filter::Text(path, _) => into.push(top(path)),
        Filter::And(all) | Filter::Or(all) => all.iter().for_each(|inner| paths(inner, into)),
        Filter::Not(inner) => paths(inner, into),
    }
}

/// The top-level field in which a dotted path begins.
pub(super) fn top(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}
