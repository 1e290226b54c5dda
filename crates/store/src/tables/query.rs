//! Execution of queries: the matching documents, in the requested order. The filter is applied to every row of an index
//! scan too, so an index saves work and never changes a result.

use std::ops::Bound;
use std::sync::Arc;

use runstate_core::schema::{Aggregate, Collection, Query};
use runstate_value::{Document, sort_by};

use super::index::{EntryRange, IndexScan, prefix_end};
use super::{CollectionTable, Tables};
use crate::eval::{self, Cursor, SortKey};
use crate::{Page, Row, StoreError, StoredDocument};

type Candidate = (Arc<str>, StoredDocument);

pub(in crate::tables) fn query(tables: &Tables, query: &Query) -> Result<Page<Row>, StoreError> {
    query_counted(tables, query).map(|(page, _)| page)
}

/// Executes a query, and returns the number of examined documents too.
pub fn query_counted(tables: &Tables, query: &Query) -> Result<(Page<Row>, usize), StoreError> {
    let (table, collection) = declared_table(tables, &query.collection)?;
    let cursor = Cursor::from_query(collection, query)?;
    let limit = query.limit.map_or(usize::MAX, |n| n as usize);
    let mut executor =
        QueryExecutor { collection, query, cursor: cursor.as_ref(), limit, found: Vec::new(), examined: 0 };
    match IndexScan::choose(collection, &table.indexes, &query.filter, &query.sort) {
        Some(scan) => executor.scan_index(table, &scan)?,
        None if query.sort.is_empty() => {
            // Documents are stored in the order of their ids.
            let from = cursor.as_ref().map_or(Bound::Unbounded, |c| Bound::Excluded(c.id.as_str()));
            executor.stream(table.documents.iter_from(from))?;
        }
        None => executor.sort_all(table.documents.iter_from(Bound::Unbounded))?,
    }
    Ok((executor.page(), executor.examined))
}

pub(in crate::tables) fn aggregate(tables: &Tables, aggregate: &Aggregate) -> Result<Vec<Document>, StoreError> {
    let (table, collection) = declared_table(tables, &aggregate.collection)?;
    let mut aggregation = eval::Aggregation::new(collection, aggregate)?;
    let Some(scan) = IndexScan::choose(collection, &table.indexes, &aggregate.filter, &[]) else {
        for row in table.documents.iter_from(Bound::Unbounded) {
            aggregation.add(&row?.1.document);
        }
        return aggregation.rows();
    };
    let ids = scan.ranges.iter().flat_map(|range| scan.index.ids(range));
    let mut ids: Vec<Arc<str>> = ids.collect::<Result<_, StoreError>>()?;
    // Sums of doubles depend on the order of addition. It is the order of the ids, whatever index was used.
    sort_by(&mut ids, Ord::cmp);
    for id in ids {
        if let Some((_, stored)) = table.find_candidate(id)? {
            aggregation.add(&stored.document);
        }
    }
    aggregation.rows()
}

fn declared_table<'m>(
    tables: &'m Tables,
    name: &str,
) -> Result<(&'m CollectionTable, &'static Collection), StoreError> {
    let table = tables.tables.get(name).and_then(|table| Some((table, table.declared?)));
    table.ok_or_else(|| StoreError::InvalidQuery {
        collection: name.to_owned(),
        reason: "the collection is not declared".to_owned(),
    })
}

impl CollectionTable {
    fn find_candidate(&self, id: Arc<str>) -> Result<Option<Candidate>, StoreError> {
        Ok(self.documents.get(&id)?.map(|stored| (id, stored)))
    }

    /// Returns the documents of ids, in their order.
    fn candidates<'a>(
        &'a self,
        ids: impl Iterator<Item = Result<Arc<str>, StoreError>> + 'a,
    ) -> impl Iterator<Item = Result<Candidate, StoreError>> + 'a {
        ids.filter_map(|id| id.and_then(|id| self.find_candidate(id)).transpose())
    }
}

/// One query in progress.
struct QueryExecutor<'a> {
    collection: &'static Collection,
    query: &'a Query,
    cursor: Option<&'a Cursor>,
    limit: usize,
    /// Rows in the requested order; one more than the limit if there are further rows.
    found: Vec<Candidate>,
    examined: usize,
}

/// A group is pruned to the rows that can be in the result each time it has doubled, from this size on.
const PRUNE_THRESHOLD: usize = 256;

impl QueryExecutor<'_> {
    fn scan_index(&mut self, table: &CollectionTable, scan: &IndexScan<'_>) -> Result<(), StoreError> {
        let [range] = scan.ranges.as_slice() else {
            let ids = scan.ranges.iter().flat_map(|s| scan.index.ids(s));
            return self.sort_all(table.candidates(ids));
        };
        let resume = self.cursor.map(|cursor| (scan.entry_prefix(&cursor.key), cursor.id.as_str()));
        match (scan.backward, scan.fully_sorted) {
            (false, true) => self.stream(table.candidates(scan.index.ids(&range_after_cursor(range, resume, true)))),
            (false, false) => self.sort_incrementally(
                scan.presorted_fields,
                table.candidates(scan.index.ids(&range_after_cursor(range, resume, false))),
            ),
            (true, true) => self.stream(table.candidates(scan.index.ids_backward(range, resume))),
            (true, false) => {
                let mut range = range.clone();
                if let Some((prefix, _)) = resume {
                    range.to = prefix_end(&prefix).or(range.to);
                }
                self.sort_incrementally(scan.presorted_fields, table.candidates(scan.index.ids_backward(&range, None)))
            }
        }
    }

    /// Takes rows that arrive in the requested order, after the cursor.
    fn stream(&mut self, candidates: impl Iterator<Item = Result<Candidate, StoreError>>) -> Result<(), StoreError> {
        for found in candidates {
            let found = found?;
            if self.matches(&found) {
                self.found.push(found);
            }
            // Checked before the next row is read.
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Takes rows that arrive in the order of the first `presorted` fields, and sorts each group of equal ones
    /// (incremental sort).
    fn sort_incrementally(
        &mut self,
        presorted: usize,
        candidates: impl Iterator<Item = Result<Candidate, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut group: Vec<(SortKey, Candidate)> = Vec::new();
        let mut threshold = PRUNE_THRESHOLD;
        for found in candidates {
            let found = found?;
            if !self.matches(&found) {
                continue;
            }
            let key = SortKey::new(self.collection, &self.query.sort, &found.1.document);
            let begins_group =
                group.first().is_some_and(|(first, _)| first.fields()[..presorted] != key.fields()[..presorted]);
            if begins_group {
                self.emit_group(std::mem::take(&mut group));
                if self.is_full() {
                    return Ok(());
                }
            }
            if self.cursor.is_none_or(|cursor| (&key, found.0.as_ref()) > (&cursor.key, cursor.id.as_str())) {
                group.push((key, found));
            }
            if group.len() > threshold {
                group = self.prune(group);
                threshold = PRUNE_THRESHOLD.max(group.len() * 2);
            }
        }
        self.emit_group(group);
        Ok(())
    }

    /// Takes rows that arrive in any order, and sorts them.
    fn sort_all(&mut self, candidates: impl Iterator<Item = Result<Candidate, StoreError>>) -> Result<(), StoreError> {
        self.sort_incrementally(0, candidates)
    }

    /// Returns the rows of a group that can be in the result, in order.
    fn prune(&self, mut group: Vec<(SortKey, Candidate)>) -> Vec<(SortKey, Candidate)> {
        sort_by(&mut group, |(a, (x, _)), (b, (y, _))| (a, x).cmp(&(b, y)));
        group.truncate(self.limit.saturating_add(1).saturating_sub(self.found.len()));
        group
    }

    fn emit_group(&mut self, group: Vec<(SortKey, Candidate)>) {
        let best = self.prune(group);
        self.found.extend(best.into_iter().map(|(_, found)| found));
    }

    fn matches(&mut self, (_, stored): &Candidate) -> bool {
        self.examined += 1;
        eval::matches(self.collection, &self.query.filter, &stored.document)
    }

    fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    fn page(&mut self) -> Page<Row> {
        let more = self.is_full();
        self.found.truncate(self.limit);
        let last = self.found.last().filter(|_| more).map(|(id, stored)| Cursor {
            key: SortKey::new(self.collection, &self.query.sort, &stored.document),
            id: id.to_string(),
        });
        let rows = self.found.iter().map(|(id, stored)| Row::new(id.clone(), self.project(stored)));
        Page::new(rows.collect(), last.map(|cursor| cursor.to_text(self.query)))
    }

    fn project(&self, stored: &StoredDocument) -> StoredDocument {
        if self.query.projection.is_empty() {
            return stored.clone();
        }
        let document = Arc::new(eval::project(&stored.document, &self.query.projection));
        StoredDocument { document, ..stored.clone() }
    }
}

/// Returns the range after the cursor. `exact`: prefix and id form a whole key, which an earlier page returned.
fn range_after_cursor(range: &EntryRange, resume: Option<(Vec<u8>, &str)>, exact: bool) -> EntryRange {
    let from = match resume {
        None => return range.clone(),
        Some((prefix, id)) if exact => Bound::Excluded([prefix.as_slice(), id.as_bytes()].concat()),
        Some((prefix, _)) => Bound::Included(prefix),
    };
    let later = match (&from, &range.from) {
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b)) if a < b => range.from.clone(),
        _ => from,
    };
    EntryRange { from: later, to: range.to.clone() }
}
