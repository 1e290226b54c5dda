//! Taking a catalog: which indexes go on to be used, and which are made anew from the documents. A base's index is used where it was made by
//! the very same declaration; then only what changed since the base is added to it.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use super::base::Base;
use super::index::Entries;
use super::overlay::{Documents, Keys, Since};
use super::projection::{Of, Projection};
use super::{Expiry, Table, Tables};
use crate::schema::{Catalog, Collection, Index, Key};
use crate::store::{COMMANDS, Error, Limits};
use crate::value::{Document, Few};

impl Tables {
    /// Tables that stand on `base`, without a catalog yet.
    pub fn over(base: Arc<dyn Base>, limits: Limits) -> Result<Self, Error> {
        let mut tables = Self { limits, base: Some(base.clone()), ..Self::default() };
        for (name, part) in base.collections() {
            let documents = Documents::over(base.clone(), part);
            tables.tables.insert(Cow::Owned(name), Table { documents, ..Table::default() });
        }
        tables.declare(&Catalog::default())?;
        Ok(tables)
    }

    /// Tables that only judge and answer: who keeps the entries of indexes elsewhere has no use for what a commit changes of them.
    pub fn judging(mut self) -> Self {
        self.judge_only = true;
        self
    }

    /// Takes another catalog. Documents stay as they are; indexes whose declaration is new are built.
    ///
    /// [`Error::UniqueViolation`]: documents that are there already share an entry of a unique index; nothing was changed.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), Error> {
        self.take(catalog, Lacking::Make)
    }

    /// Takes a catalog to read by, over a base that somebody else maintains: an index that the base lacks is left out and not made, which
    /// makes answers slower and no different. What is planned on such tables must not be committed: unique indexes may be among them.
    pub fn declare_for_reading(&mut self, catalog: &Catalog) -> Result<(), Error> {
        self.take(catalog, Lacking::LeaveOut)
    }

    fn take(&mut self, catalog: &Catalog, lacking: Lacking) -> Result<(), Error> {
        let mut next: Few<Cow<'static, str>, Indexed> = Few::default();
        for declared in catalog.iter().chain([&COMMANDS]) {
            let table = self.tables.get(declared.name);
            next.insert(Cow::Borrowed(declared.name), self.indexed(table, declared, lacking)?);
        }
        for (name, indexed) in next.iter() {
            if let Some((id, index)) = indexed.clash(self.tables.get(name))? {
                return Err(Error::UniqueViolation { key: Key { collection: name.clone(), id }, index });
            }
        }
        for table in self.tables.iter_mut().filter(|(name, _)| !next.contains_key(*name)).map(|(_, table)| table) {
            *table = Table { documents: std::mem::take(&mut table.documents), ..Table::default() };
        }
        for (name, indexed) in next {
            let table = self.tables.at(name);
            indexed.put_in(table);
        }
        self.catalog = catalog.clone();
        Ok(())
    }

    /// What belongs to `declared` now.
    fn indexed(
        &self,
        table: Option<&Table>,
        declared: &'static Collection,
        lacking: Lacking,
    ) -> Result<Indexed, Error> {
        let nothing = Documents::default();
        let documents = table.map_or(&nothing, |table| &table.documents);
        let mut making = Making { declared, documents, base: self.base.as_ref(), made: Vec::new() };
        let mut indexes = Vec::with_capacity(declared.indexes.len());
        for index in declared.indexes {
            let projection = Projection::of(declared, Of::Index(index));
            let made_by = projection.made_by.clone();
            let kept = table.and_then(|table| table.indexes.iter().position(|kept| kept.made_by == made_by));
            let place = match kept {
                Some(at) => Place::Kept(at),
                None if lacking == Lacking::LeaveOut && making.lacks(&made_by) => continue,
                None => Place::Made(making.begin(projection)?),
            };
            indexes.push((index, made_by, place));
        }
        let mut expiry = None;
        if let Some(ttl) = &declared.ttl {
            let projection = Projection::of(declared, Of::Expiry(ttl));
            let made_by = projection.made_by.clone();
            let kept = table.and_then(|table| table.expiry.as_ref()).is_some_and(|kept| kept.made_by == made_by);
            if kept {
                expiry = Some((made_by, Place::Kept(0)));
            } else if lacking == Lacking::Make || !making.lacks(&made_by) {
                expiry = Some((made_by, Place::Made(making.begin(projection)?)));
            }
        }
        let made = making.end()?;
        Ok(Indexed { declared, indexes, expiry, made })
    }
}

/// What is done about an index that a base lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacking {
    /// It is made from the documents.
    Make,
    /// Questions are answered without it.
    LeaveOut,
}

/// The indexes of one collection under a new catalog, before it is taken.
struct Indexed {
    declared: &'static Collection,
    indexes: Vec<(&'static Index, Arc<str>, Place)>,
    expiry: Option<(Arc<str>, Place)>,
    made: Vec<Keys>,
}

/// Where the entries of an index are taken from.
#[derive(Clone, Copy)]
enum Place {
    /// The index at this place had the same declaration.
    Kept(usize),
    /// They were made.
    Made(usize),
}

impl Indexed {
    fn clash(&self, table: Option<&Table>) -> Result<Option<(Arc<str>, String)>, Error> {
        for (declared, made_by, place) in self.indexes.iter().filter(|(index, ..)| index.unique) {
            let found = match place {
                Place::Kept(at) => match table.and_then(|table| table.indexes.get(*at)) {
                    Some(kept) => kept.clash()?,
                    None => None,
                },
                Place::Made(at) => {
                    let keys = self.made.get(*at).cloned().unwrap_or_default();
                    Entries { declared, made_by: made_by.clone(), keys }.clash()?
                }
            };
            if let Some(id) = found {
                return Ok(Some((id, declared.name())));
            }
        }
        Ok(None)
    }

    fn put_in(self, table: &mut Table) {
        let Self { declared, indexes, expiry, mut made } = self;
        let mut kept = std::mem::take(&mut table.indexes);
        let mut keys = |place: Place, kept: Option<&mut Keys>| match place {
            Place::Kept(_) => kept.map(std::mem::take).unwrap_or_default(),
            Place::Made(at) => made.get_mut(at).map(std::mem::take).unwrap_or_default(),
        };
        for (declared, made_by, place) in indexes {
            let old = if let Place::Kept(at) = place { kept.get_mut(at).map(|kept| &mut kept.keys) } else { None };
            table.indexes.push(Entries { declared, made_by, keys: keys(place, old) });
        }
        let mut old = table.expiry.take();
        table.expiry = expiry.map(|(made_by, place)| {
            let keys = keys(place, old.as_mut().map(|old| &mut old.keys));
            Expiry { made_by, keys }
        });
        table.declared = Some(declared);
    }
}

/// Makes entries from the documents of one collection: all in one reading of them.
struct Making<'a> {
    declared: &'static Collection,
    documents: &'a Documents,
    base: Option<&'a Arc<dyn Base>>,
    made: Vec<(Projection, Keys)>,
}

impl Making<'_> {
    /// Whether there is a base under the documents, and it has no index made by this.
    fn lacks(&self, made_by: &str) -> bool {
        self.documents.part().is_some()
            && self.base.is_some_and(|base| base.index(self.declared.name, made_by).is_none())
    }

    fn begin(&mut self, projection: Projection) -> Result<usize, Error> {
        let found = self.base.and_then(|base| Some((base, base.index(self.declared.name, &projection.made_by)?)));
        let keys = match found {
            Some((base, part)) => self.adopt(Keys::over(base.clone(), part), &projection)?,
            None => Keys::default(),
        };
        self.made.push((projection, keys));
        Ok(self.made.len() - 1)
    }

    /// Brings a base's entries up to what stands over its documents.
    fn adopt(&self, mut keys: Keys, projection: &Projection) -> Result<Keys, Error> {
        for change in self.documents.changes() {
            let Since { id, before, now } = change?;
            let entries = |document: Option<&Document>| document.map(|d| projection.entries(d)).unwrap_or_default();
            let before = entries(before.as_ref().map(|stored| &*stored.document));
            let now = entries(now.as_ref().map(|stored| &*stored.document));
            before.iter().filter(|entry| !now.contains(entry)).for_each(|entry| keys.remove(entry, &id));
            now.iter().filter(|entry| !before.contains(entry)).for_each(|entry| keys.insert(entry, &id));
        }
        Ok(keys)
    }

    fn end(mut self) -> Result<Vec<Keys>, Error> {
        if self.made.iter().any(|(_, keys)| !keys.is_based()) {
            for row in self.documents.from(Bound::Unbounded) {
                let (id, stored) = row?;
                for (projection, keys) in self.made.iter_mut().filter(|(_, keys)| !keys.is_based()) {
                    let entries = projection.entries(&stored.document);
                    entries.iter().for_each(|entry| keys.insert(entry, &id));
                }
            }
        }
        Ok(self.made.into_iter().map(|(_, keys)| keys).collect())
    }
}
