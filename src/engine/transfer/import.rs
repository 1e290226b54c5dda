//! Into a store: all is checked first, then compared, then written (`write.rs`), then read again. What is refused halfway is taken back
//! (`undo.rs`).

use std::sync::Arc;

use super::tally::Tally;
use super::write::judge_fit;
use super::{Item, Phase, Progress, Record, Source, Summary, record};
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::schema::{Catalog, Collection, Index, Key, Query};
use crate::store::{COMMANDS, Stored};
use crate::value::{self, Json, json_bytes};

/// Documents that are compared at once, at the most.
const CHUNK: usize = 256;

/// Bytes of them, unless one alone has more.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// That a source was read to its end and is what it says it is.
#[derive(Clone, Debug)]
pub struct Checked {
    summary: Summary,
}

impl Checked {
    /// What it holds.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

/// What an import came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What was in the source, all of which is in the store now.
    pub summary: Summary,
    /// Documents and rows of the ledger that were written now.
    pub written: u64,
    /// Those that were there already.
    pub there: u64,
}

/// Reads all of `source`: that it is whole, not edited, not newer, and that every document is what its collection declares.
pub fn check<S: Source>(
    source: &mut S,
    catalog: &Catalog,
    mut progress: impl FnMut(Progress),
) -> Result<Checked, Error> {
    let mut checking = Checking::begin(source, catalog)?;
    loop {
        if let Some(checked) = checking.some(CHUNK, &mut progress)? {
            return Ok(checked);
        }
    }
}

/// A [`check`] in steps, for whoever has something else to do between them.
pub struct Checking<'a, S> {
    source: &'a mut S,
    /// Collections as they follow in an export.
    order: Vec<&'static Collection>,
    tally: Tally,
    last: Option<(Option<usize>, Arc<str>)>,
    done: u64,
}

impl<'a, S: Source> Checking<'a, S> {
    /// Begins with the header.
    pub fn begin(source: &'a mut S, catalog: &Catalog) -> Result<Self, Error> {
        source.rewind()?.fits(catalog, source.name())?;
        Ok(Self { source, order: record::collections(catalog), tally: Tally::default(), last: None, done: 0 })
    }

    /// Goes on by so many documents; `None`: there are more.
    pub fn some(&mut self, documents: usize, mut progress: impl FnMut(Progress)) -> Result<Option<Checked>, Error> {
        for _ in 0..documents {
            match self.source.next()? {
                Item::Record(record) => {
                    self.take_in(&record)?;
                    progress(Progress { phase: Phase::Check, done: self.done, of: None });
                }
                Item::End(said) => return self.end(&said).map(Some),
            }
        }
        Ok(None)
    }

    fn take_in(&mut self, record: &Record) -> Result<(), Error> {
        let place = self.order.iter().position(|collection| collection.name == record.collection.name);
        let here = Some((place, record.id.clone()));
        if here <= self.last {
            return Err(damaged(self.source, &format!("{} stands twice, or in the wrong place", record.key())));
        }
        self.last = here;
        self.tally.add(record, &record.line());
        self.done += 1;
        Ok(())
    }

    fn end(&mut self, said: &Summary) -> Result<Checked, Error> {
        let summary = std::mem::take(&mut self.tally).summary();
        match said.differs(&summary) {
            Some(how) => Err(damaged(self.source, &format!("it was changed after it was exported: {how}"))),
            None => Ok(Checked { summary }),
        }
    }
}

fn damaged<S: Source>(source: &S, why: &str) -> Error {
    Error::new(Code::Corrupt, format!("{}: {why}", source.name()))
}

/// What a document of a source is to the store.
pub(super) enum Found {
    /// Nothing is there.
    Absent,
    /// The very same is there.
    Same,
}

impl Engine {
    /// Writes what `source` holds into the store. `checked` came of [`check`] on it.
    ///
    /// What is there and equal is passed over, so an import that was cut off goes on when it is repeated; what is there and differs is
    /// [`Code::AlreadyExists`], found before anything is written, and so is what is too large here. Where the store refuses something only when
    /// it is written, what was written before is removed again. In the end all is read again from the store and its hash compared.
    pub async fn import<S: Source>(
        &self,
        source: &mut S,
        checked: &Checked,
        mut progress: impl FnMut(Progress),
    ) -> Result<Imported, Error> {
        if let Some(why) = self.store().health() {
            return Err(why.into());
        }
        let total = checked.summary.total();
        let of = Some(total);
        let absent = self.compare(source, |done| progress(Progress { phase: Phase::Compare, done, of })).await?;
        let mut written = 0;
        if absent > 0 {
            written =
                self.write_all(source, checked, |done| progress(Progress { phase: Phase::Write, done, of })).await?;
        }
        let found = self.read_again(source, |done| progress(Progress { phase: Phase::Verify, done, of })).await?;
        if let Some(how) = checked.summary.differs(&found) {
            let message = format!("the store is not what {} holds ({how}); it was written to meanwhile", source.name());
            return Err(Error::new(Code::Conflict, message));
        }
        Ok(Imported { summary: found, written, there: total - written.min(total) })
    }

    /// How many documents are not in the store; an error where one is there and differs.
    async fn compare<S: Source>(&self, source: &mut S, mut progress: impl FnMut(u64)) -> Result<u64, Error> {
        let mut chunks = Chunks::all(source)?;
        let (mut absent, mut done) = (0, 0);
        let mut others = Others::default();
        while let Some(chunk) = chunks.next()? {
            done += chunk.len() as u64;
            let mut new = Vec::new();
            let found = self.found(&chunk).await?;
            for (record, found) in chunk.into_iter().zip(found) {
                if let Found::Absent = found {
                    if others.may_be(self, record.collection).await? {
                        self.judge_unique(&record).await?;
                    }
                    new.push(record);
                }
            }
            absent += new.len() as u64;
            for batch in self.batches(new) {
                judge_fit(&batch, &self.shared.catalog, self.store().capabilities().limits(), self.now())?;
            }
            progress(done);
            self.give_way().await;
        }
        Ok(absent)
    }

    /// What the store has of these; an error where it has another one.
    pub(super) async fn found(&self, records: &[Record]) -> Result<Vec<Found>, Error> {
        let keys: Vec<Key> = records.iter().map(Record::key).collect();
        let stored = self.store().get(&keys).await?;
        records.iter().zip(stored).map(|(record, stored)| judge(record, stored)).collect()
    }

    /// That no other document has what only one may have.
    async fn judge_unique(&self, record: &Record) -> Result<(), Error> {
        for index in record.collection.indexes.iter().filter(|index| index.unique) {
            let Some(query) = same_entry(record, index) else { continue };
            let page = self.store().query(&query).await?;
            if let Some(other) = page.rows.iter().find(|row| row.id != record.id) {
                let names: Vec<&str> = index.fields.iter().map(|(path, _)| *path).collect();
                let message = format!(
                    "{} cannot be imported: {}/{} has the same {}; nothing was overwritten. Import into another store",
                    record.key(),
                    record.collection.name,
                    other.id,
                    names.join(", ")
                );
                return Err(exists(record, message));
            }
        }
        Ok(())
    }

    /// What the store holds under the keys of `source`. What has expired meanwhile may be gone.
    async fn read_again<S: Source>(&self, source: &mut S, mut progress: impl FnMut(u64)) -> Result<Summary, Error> {
        let mut chunks = Chunks::all(source)?;
        let mut tally = Tally::default();
        let mut done = 0;
        while let Some(chunk) = chunks.next()? {
            done += chunk.len() as u64;
            let keys: Vec<Key> = chunk.iter().map(Record::key).collect();
            for (record, stored) in chunk.iter().zip(self.store().get(&keys).await?) {
                let found = match stored {
                    Some(stored) => of_store(record, stored),
                    None if record.expired(self.now()) => record.clone(),
                    None => continue,
                };
                tally.add(&found, &found.line());
            }
            progress(done);
            self.give_way().await;
        }
        Ok(tally.summary())
    }
}

/// The rest of a source, some documents at a time.
pub(super) struct Chunks<'a, S> {
    source: &'a mut S,
    /// Only of this collection.
    of: Option<&'static Collection>,
    ended: bool,
}

impl<'a, S: Source> Chunks<'a, S> {
    /// All of it.
    pub(super) fn all(source: &'a mut S) -> Result<Self, Error> {
        source.rewind()?;
        Ok(Self { source, of: None, ended: false })
    }

    /// The documents of a collection.
    pub(super) fn of(source: &'a mut S, collection: &'static Collection) -> Result<Self, Error> {
        let ended = !source.seek(collection.name)?;
        Ok(Self { source, of: Some(collection), ended })
    }

    /// The next ones; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while !self.ended && chunk.len() < CHUNK && bytes < CHUNK_BYTES {
            match self.source.next()? {
                Item::Record(record) if self.of.is_none_or(|of| of.name == record.collection.name) => {
                    bytes += json_bytes(&*record.document);
                    chunk.push(record);
                }
                Item::Record(_) | Item::End(_) => self.ended = true,
            }
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

fn of_store(record: &Record, stored: Stored) -> Record {
    Record { version: stored.version, document: stored.document, ..record.clone() }
}

/// Equal as they are written: stores may tell `1.0` as `1`.
pub(super) fn same(record: &Record, stored: &Stored) -> bool {
    Arc::ptr_eq(&stored.document, &record.document) || of_store(record, stored.clone()).line() == record.line()
}

fn judge(record: &Record, stored: Option<Stored>) -> Result<Found, Error> {
    let Some(stored) = stored else { return Ok(Found::Absent) };
    if same(record, &stored) {
        return Ok(Found::Same);
    }
    let message = match record.collection.name == COMMANDS.name {
        true => format!("command `{}` came to something else in this store; nothing was overwritten", record.id),
        false => format!(
            "{} is in this store and differs; nothing was overwritten. Import into another store, or remove it first",
            record.key()
        ),
    };
    Err(exists(record, message))
}

/// That the place of a document is taken.
pub(super) fn exists(record: &Record, message: String) -> Error {
    let (collection, key) = (Some(record.collection.name.to_owned()), Some(record.id.to_string()));
    Error { collection, key, ..Error::new(Code::AlreadyExists, message) }
}

/// The question for documents with the same entry in `index`; `None`: the store itself is to judge, when it is written.
fn same_entry(record: &Record, index: &Index) -> Option<Query> {
    if index.partial.is_some() {
        return None;
    }
    let value = |path| value::get(&record.document, path).cloned().unwrap_or(Json::Null);
    let query = Query::of(record.collection).limit(2);
    Some(index.fields.iter().fold(query, |query, (path, _)| query.eq(path, value(path))))
}

/// Whether a collection had anything before: most imports go into an empty store, where nothing can clash.
#[derive(Default)]
struct Others {
    known: Option<(&'static str, bool)>,
}

impl Others {
    async fn may_be(&mut self, engine: &Engine, collection: &'static Collection) -> Result<bool, Error> {
        if let Some((name, any)) = self.known
            && name == collection.name
        {
            return Ok(any);
        }
        let any = engine.count(collection).await?.is_none_or(|count| count > 0);
        self.known = Some((collection.name, any));
        Ok(any)
    }
}
