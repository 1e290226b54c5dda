//! Answering questions: the documents that match, in the order asked for. What an index yields is judged by the filter again,
//! so an index can only save work and never change an answer.

use std::ops::Bound;
use std::sync::Arc;

use super::access::Access;
use super::index::{Stretch, after};
use super::{Table, Tables};
use crate::schema::{Aggregate, Collection, Query};
use crate::store::eval::{self, Cursor, SortKey};
use crate::store::{Error, Page, Row, Stored};
use crate::value::{Document, sort_by};

type Found = (Arc<str>, Stored);

impl Tables {
    /// Answers a query; what [`crate::store::Store::query`] promises.
    pub fn query(&self, query: &Query) -> Result<Page, Error> {
        self.query_counted(query).map(|(page, _)| page)
    }

    /// The answer, and how many documents were looked at for it.
    pub(crate) fn query_counted(&self, query: &Query) -> Result<(Page, usize), Error> {
        let (table, collection) = self.asked(&query.collection)?;
        let cursor = Cursor::of(collection, query)?;
        let limit = query.limit.map_or(usize::MAX, |n| n as usize);
        let mut search = Search { collection, query, cursor: cursor.as_ref(), limit, found: Vec::new(), looked: 0 };
        match Access::choose(collection, &table.indexes, &query.filter, &query.sort) {
            Some(access) => search.by_index(table, &access)?,
            None if query.sort.is_empty() => {
                // Documents stand in the order of their ids.
                let from = cursor.as_ref().map_or(Bound::Unbounded, |c| Bound::Excluded(c.id.as_str()));
                search.stream(table.documents.from(from))?;
            }
            None => search.sorted(table.documents.from(Bound::Unbounded))?,
        }
        Ok((search.page(), search.looked))
    }

    /// Answers an aggregate; what [`crate::store::Store::aggregate`] promises.
    pub fn aggregate(&self, question: &Aggregate) -> Result<Vec<Document>, Error> {
        let (table, collection) = self.asked(&question.collection)?;
        let mut numbers = eval::Aggregation::of(collection, question)?;
        let Some(access) = Access::choose(collection, &table.indexes, &question.filter, &[]) else {
            for row in table.documents.from(Bound::Unbounded) {
                numbers.add(&row?.1.document);
            }
            return numbers.rows();
        };
        let ids = access.stretches.iter().flat_map(|stretch| access.index.ids(stretch));
        let mut ids: Vec<Arc<str>> = ids.collect::<Result<_, Error>>()?;
        // Sums of doubles depend on the order: it is that of the ids, whatever index was used.
        sort_by(&mut ids, Ord::cmp);
        for id in ids {
            if let Some((_, stored)) = table.found(id)? {
                numbers.add(&stored.document);
            }
        }
        numbers.rows()
    }

    fn asked(&self, name: &str) -> Result<(&Table, &'static Collection), Error> {
        let known = self.tables.get(name).and_then(|table| Some((table, table.declared?)));
        known.ok_or_else(|| Error::InvalidQuery {
            collection: name.to_owned(),
            reason: "the collection is not declared".to_owned(),
        })
    }
}

impl Table {
    fn found(&self, id: Arc<str>) -> Result<Option<Found>, Error> {
        Ok(self.documents.get(&id)?.map(|stored| (id, stored)))
    }

    /// The documents of ids, in their order.
    fn each<'a>(
        &'a self,
        ids: impl Iterator<Item = Result<Arc<str>, Error>> + 'a,
    ) -> impl Iterator<Item = Result<Found, Error>> + 'a {
        ids.filter_map(|id| id.and_then(|id| self.found(id)).transpose())
    }
}

/// One query under way.
struct Search<'a> {
    collection: &'static Collection,
    query: &'a Query,
    cursor: Option<&'a Cursor>,
    limit: usize,
    /// In the order asked for; one more than the limit where there are more.
    found: Vec<Found>,
    looked: usize,
}

/// A group is thinned out to what can be in the answer each time it has doubled, and not before it has this many.
const THIN_OUT: usize = 256;

impl Search<'_> {
    fn by_index(&mut self, table: &Table, access: &Access<'_>) -> Result<(), Error> {
        let [stretch] = access.stretches.as_slice() else {
            let ids = access.stretches.iter().flat_map(|s| access.index.ids(s));
            return self.sorted(table.each(ids));
        };
        let begun = self.cursor.map(|cursor| (access.entry_prefix(&cursor.key), cursor.id.as_str()));
        match (access.backward, access.exact) {
            (false, true) => self.stream(table.each(access.index.ids(&begin(stretch, begun, true)))),
            (false, false) => self.grouped(access.served, table.each(access.index.ids(&begin(stretch, begun, false)))),
            (true, true) => self.stream(table.each(access.index.ids_backward(stretch, begun))),
            (true, false) => {
                let mut stretch = stretch.clone();
                if let Some((prefix, _)) = begun {
                    stretch.to = after(&prefix).or(stretch.to);
                }
                self.grouped(access.served, table.each(access.index.ids_backward(&stretch, None)))
            }
        }
    }

    /// Takes what comes in the order asked for, and from behind the cursor on.
    fn stream(&mut self, candidates: impl Iterator<Item = Result<Found, Error>>) -> Result<(), Error> {
        for found in candidates {
            let found = found?;
            if self.matches(&found) {
                self.found.push(found);
            }
            // Before the next one is read.
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Takes what comes in the order of the first `served` fields: each group of equals is sorted by the others.
    fn grouped(&mut self, served: usize, candidates: impl Iterator<Item = Result<Found, Error>>) -> Result<(), Error> {
        let mut group: Vec<(SortKey, Found)> = Vec::new();
        let mut enough = THIN_OUT;
        for found in candidates {
            let found = found?;
            if !self.matches(&found) {
                continue;
            }
            let key = SortKey::of(self.collection, &self.query.sort, &found.1.document);
            let another = group.first().is_some_and(|(first, _)| first.fields()[..served] != key.fields()[..served]);
            if another {
                self.take(std::mem::take(&mut group));
                if self.is_full() {
                    return Ok(());
                }
            }
            if self.cursor.is_none_or(|cursor| (&key, found.0.as_ref()) > (&cursor.key, cursor.id.as_str())) {
                group.push((key, found));
            }
            if group.len() > enough {
                group = self.best(group);
                enough = THIN_OUT.max(group.len() * 2);
            }
        }
        self.take(group);
        Ok(())
    }

    /// Sorts whatever comes.
    fn sorted(&mut self, candidates: impl Iterator<Item = Result<Found, Error>>) -> Result<(), Error> {
        self.grouped(0, candidates)
    }

    /// What of a group can be in the answer, in order.
    fn best(&self, mut group: Vec<(SortKey, Found)>) -> Vec<(SortKey, Found)> {
        sort_by(&mut group, |(a, (x, _)), (b, (y, _))| (a, x).cmp(&(b, y)));
        group.truncate(self.limit.saturating_add(1).saturating_sub(self.found.len()));
        group
    }

    fn take(&mut self, group: Vec<(SortKey, Found)>) {
        let best = self.best(group);
        self.found.extend(best.into_iter().map(|(_, found)| found));
    }

    fn matches(&mut self, (_, stored): &Found) -> bool {
        self.looked += 1;
        eval::matches(self.collection, &self.query.filter, &stored.document)
    }

    fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    fn page(&mut self) -> Page {
        let more = self.is_full();
        self.found.truncate(self.limit);
        let last = self.found.last().filter(|_| more).map(|(id, stored)| Cursor {
            key: SortKey::of(self.collection, &self.query.sort, &stored.document),
            id: id.to_string(),
        });
        let rows = self.found.iter().map(|(id, stored)| Row { id: id.clone(), stored: self.shown(stored) });
        Page { rows: rows.collect(), cursor: last.map(|c| c.to_text()) }
    }

    fn shown(&self, stored: &Stored) -> Stored {
        if self.query.projection.is_empty() {
            return stored.clone();
        }
        let document = Arc::new(eval::project(&stored.document, &self.query.projection));
        Stored { document, ..stored.clone() }
    }
}

/// The stretch from where the cursor stands on. `exact`: prefix and id are a whole key, and what it names was seen.
fn begin(stretch: &Stretch, begun: Option<(Vec<u8>, &str)>, exact: bool) -> Stretch {
    let from = match begun {
        None => return stretch.clone(),
        Some((prefix, id)) if exact => Bound::Excluded([prefix.as_slice(), id.as_bytes()].concat()),
        Some((prefix, _)) => Bound::Included(prefix),
    };
    let later = match (&from, &stretch.from) {
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b)) if a < b => stretch.from.clone(),
        _ => from,
    };
    Stretch { from: later, to: stretch.to.clone() }
}
