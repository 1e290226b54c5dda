//! Queries. The server selects and sorts where its results equal those of the reference implementation. The reference
//! implementation checks each row, and sorts all rows if the server cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use runstate_core::schema::Query;
use runstate_store::eval::{self, Cursor};
use runstate_store::{Page, Row, StoreError, StoredDocument};

use super::codec::{self, IdentifiedDocument};
use super::filter::{self, SqlCondition};
use super::fingerprint::fingerprint_statement;
use super::layout::TableLayout;
use super::retry::{ReadFailure, retry};
use super::sort::{ServerOrder, position};
use super::statement::SqlStatement;
use super::{DeclaredLayouts, Postgres};

pub(super) async fn run_query(store: &Postgres, query: &Query) -> Result<Page<Row>, StoreError> {
    let doing = format!("querying {}", query.collection);
    retry(store, &doing, || {
        Box::pin(async move {
            let declarations = store.declarations();
            let layout = declarations.require(&query.collection)?;
            let cursor = Cursor::from_query(layout.collection, query)?;
            if query.limit == Some(0) {
                return Ok(Page::new(Vec::new(), None));
            }
            if !layout.exists {
                declarations.check_still_current(store).await?;
                return Ok(Page::new(Vec::new(), None));
            }
            let plan = QueryPushdown { store, query, declarations: &declarations, layout, cursor };
            match plan.read_ordered().await? {
                Some(page) => Ok(page),
                None => plan.read_unordered().await,
            }
        })
    })
    .await
}

impl Postgres {
    /// Returns the server's plan for a query, as `EXPLAIN` prints it. It is for operators and tests: what the text says
    /// depends on the server.
    ///
    /// Errors: those of [`Store::query`](runstate_store::Store::query).
    pub async fn explain(&self, query: &Query) -> Result<String, StoreError> {
        let declarations = self.declarations();
        let layout = declarations.require(&query.collection)?;
        let cursor = Cursor::from_query(layout.collection, query)?;
        let plan = QueryPushdown { store: self, query, declarations: &declarations, layout, cursor };
        let statement =
            plan.ordered_statement(None).map_or_else(|| plan.unordered_statement(), |ordered| ordered.statement);
        let statement = SqlStatement { text: format!("EXPLAIN {}", statement.text).into(), ..statement };
        let doing = format!("explaining a query of {}", query.collection);
        let statement = &statement;
        let reply = retry(self, &doing, || Box::pin(self.run_once(statement))).await?;
        let lines: Result<Vec<String>, _> = reply.rows.iter().map(|row| row.try_get(0)).collect();
        Ok(lines.map_err(|error| self.map_error(&error, &doing))?.join("\n"))
    }
}

impl DeclaredLayouts {
    /// The layout of the queried collection.
    pub(super) fn require(&self, name: &str) -> Result<&TableLayout, StoreError> {
        self.layouts.get(name).map(|layout| &**layout).ok_or_else(|| StoreError::InvalidQuery {
            collection: name.to_owned(),
            reason: "the collection is not declared".to_owned(),
        })
    }
}

/// How the server runs a query.
struct QueryPushdown<'a> {
    store: &'a Postgres,
    query: &'a Query,
    declarations: &'a DeclaredLayouts,
    layout: &'a TableLayout,
    cursor: Option<Cursor>,
}

/// A query in the server's order.
struct OrderedStatement {
    statement: SqlStatement,
    order: ServerOrder,
    /// The largest number of rows that it returns, if it selects exactly the documents that match.
    count: Option<usize>,
}

/// The rows of a page as they are found, and a page with the documents that cannot be read.
#[derive(Default)]
struct FoundRows {
    rows: Vec<IdentifiedDocument>,
    unreadable: Page<Row>,
}

impl QueryPushdown<'_> {
    /// The statement for a page in the server's order, of `count` rows; by default one more than the limit. None: the
    /// server cannot sort in that order, or the query has no limit.
    fn ordered_statement(&self, count: Option<usize>) -> Option<OrderedStatement> {
        let mut params = Vec::new();
        let (order, limit) = (ServerOrder::new(self.layout, &self.query.sort)?, self.query.limit?);
        let SqlCondition { mut text, exact } = filter::translate(self.layout, &self.query.filter, &mut params);
        if let Some(cursor) = &self.cursor {
            text = format!("{text} AND {}", order.after(cursor, &mut params)?);
        }
        let count = exact.then(|| count.unwrap_or((limit as usize).saturating_add(1)));
        let most = count.map(|count| format!(" LIMIT {count}")).unwrap_or_default();
        let text = format!("SELECT t.* FROM {} AS t WHERE {text} ORDER BY {}{most}", self.layout.table, order.to_sql());
        Some(OrderedStatement { statement: SqlStatement::new(text, params), order, count })
    }

    /// The statement for all rows that the server selects.
    fn unordered_statement(&self) -> SqlStatement {
        let mut params = Vec::new();
        let SqlCondition { text, .. } = filter::translate(self.layout, &self.query.filter, &mut params);
        SqlStatement::new(format!("SELECT t.* FROM {} AS t WHERE {text}", self.layout.table), params)
    }

    /// The largest number of rows of the page.
    fn limit(&self) -> usize {
        self.query.limit.map_or(usize::MAX, |limit| limit as usize)
    }

    /// Reads a page in the server's order. None: the order is not that of the reference implementation.
    async fn read_ordered(&self) -> Result<Option<Page<Row>>, ReadFailure> {
        let (limit, mut longer) = (self.limit(), None);
        loop {
            let Some(OrderedStatement { statement, order, count }) = self.ordered_statement(longer) else {
                return Ok(None);
            };
            let mut connection = self.store.pool.acquire().await?;
            let (mut found, mut received) = (FoundRows::default(), 0);
            if longer.is_none() && count.is_some() {
                // The fingerprint is read after the rows, so it is that of their table or of a later one.
                let replies = connection.run_reads(&[statement, fingerprint_statement()]).await?;
                if !self.declarations.are_current(replies.get(1)) {
                    return Err(ReadFailure::Outdated);
                }
                for row in replies.first().into_iter().flat_map(|reply| &reply.rows) {
                    received += 1;
                    self.add_row(row, &mut found)?;
                }
                connection.release();
            } else {
                let mut stream = std::pin::pin!(connection.stream(&statement).await?);
                while found.rows.len() <= limit
                    && let Some(row) = stream.try_next().await?
                {
                    received += 1;
                    self.add_row(&row, &mut found)?;
                }
                if found.rows.len() <= limit {
                    self.declarations.check_current(&mut connection).await?;
                    connection.release();
                } else {
                    // A query that is left early still sends its rows, so its connection is closed.
                    drop(connection);
                    self.declarations.check_still_current(self.store).await?;
                }
            }
            if found.rows.len() > limit || count.is_none_or(|count| received < count) {
                let is_exact = !found.rows.iter().any(|(_, stored)| order.is_inexact_for(stored));
                return Ok(is_exact.then(|| self.to_page(found.rows, found.unreadable)));
            }
            // The server has counted rows that cannot be read. There may be any number, so the next ones are streamed.
            longer = Some((limit + 1).saturating_add((received - found.rows.len()).saturating_mul(2)));
        }
    }

    /// Reads all rows that the server selects, and sorts them here.
    async fn read_unordered(&self) -> Result<Page<Row>, ReadFailure> {
        let (statement, limit) = (self.unordered_statement(), self.limit());
        let mut connection = self.store.pool.acquire().await?;
        let (mut sorted, mut found) = (BTreeMap::<Cursor, IdentifiedDocument>::new(), FoundRows::default());
        let mut stream = std::pin::pin!(connection.stream(&statement).await?);
        while let Some(row) = stream.try_next().await? {
            self.add_row(&row, &mut found)?;
            let Some(row) = found.rows.pop() else { continue };
            let at = position(self.layout, &self.query.sort, &row.0, &row.1);
            if self.cursor.as_ref().is_some_and(|cursor| at <= *cursor) {
                continue;
            }
            sorted.insert(at, row);
            if sorted.len() > limit.saturating_add(1) {
                sorted.pop_last();
            }
        }
        self.declarations.check_current(&mut connection).await?;
        connection.release();
        Ok(self.to_page(sorted.into_values().collect(), found.unreadable))
    }

    /// Adds a row of the server if it matches. If the query returns documents that cannot be read, such a row is added
    /// to them.
    fn add_row(&self, row: &tokio_postgres::Row, found: &mut FoundRows) -> Result<(), ReadFailure> {
        match codec::decode(self.layout.collection.name, Some(self.layout), row) {
            Err(ReadFailure::Store(error)) if self.query.unreadable => {
                found.unreadable.add_damaged(error.into_damaged(&self.query.collection));
            }
            decoded => found.rows.extend(Some(decoded?).filter(|row| self.matches(row))),
        }
        Ok(())
    }

    fn matches(&self, (_, stored): &IdentifiedDocument) -> bool {
        eval::matches(self.layout.collection, &self.query.filter, &stored.document)
    }

    /// The page of these rows, of which one more than the limit shows that another page follows.
    fn to_page(&self, mut rows: Vec<IdentifiedDocument>, unreadable: Page<Row>) -> Page<Row> {
        let limit = self.limit();
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_next);
        let next = last.map(|(id, stored)| position(self.layout, &self.query.sort, id, stored).to_text(self.query));
        let items = rows.into_iter().map(|(id, stored)| Row::new(id, self.project(stored))).collect();
        Page { items, next, ..unreadable }
    }

    fn project(&self, stored: StoredDocument) -> StoredDocument {
        if self.query.projection.is_empty() {
            return stored;
        }
        StoredDocument { document: Arc::new(eval::project(&stored.document, &self.query.projection)), ..stored }
    }
}
