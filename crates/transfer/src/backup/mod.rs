//! A backup of a store that follows its change feed, in a directory or a bucket, and the state of the store at a point
//! in time.
//!
//! A backup is a sequence of numbered objects, *segments*, each created once. A segment has documents as they were when
//! it was written, and the ids of documents that were deleted. The first segments have every document (the *base*); the
//! others have what changed since. Each names the position in the feed at which the next one continues, so a backup
//! that dies at any point continues there.
//!
//! # Invariants
//!
//! - **A document in a segment is at least as new as in any earlier one.** So the last one of a document, up to a
//!   segment, is its state there.
//! - **A segment that is a *point* is a state in which the store was**: everything was read once, all changes since are
//!   there, and no document of the segment has a later change. Only points are restored.
//! - **Of two backups to one folder one creates a segment.** The other one continues after it.
//! - **An expired position begins a new base.** So does every [`BackupOptions::segments`]th segment, which bounds the
//!   time of a restore.
//! - **Secrets stay encrypted**, as they are at rest. A folder is encrypted as a whole or not at all
//!   ([`BackupOptions::encryption`]).
//! - **Rows of time series are not in the feed.** They are read every [`SERIES_INTERVAL`], by their time; rows that are
//!   later than
//!   [`SERIES_DELAY`] are in the next base.
//!
//! | file | contents |
//! |---|---|
//! | `mod.rs` | writing segments |
//! | `segment.rs` | the form of a segment |
//! | `encryption.rs` | the encryption of segments |
//! | `source.rs` | the points, and the store at a point as the source of an import |
//! | `layer.rs` | a store whose commits are in its backup before they return |

mod encryption;
mod layer;
mod segment;
mod source;

use std::collections::VecDeque;
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Collection, Filter, Key, Query};
use runstate_engine::{Engine, Error, Phase, Progress, exported_collections};
use runstate_objects::ObjectFolder;
use runstate_store::{COMMANDS, Freshness, Row};
use runstate_value::json_bytes;
use runstate_value::time::{Millis, Timestamp};

use self::encryption::check_encryption;
use self::segment::{BackupSegment, SegmentHeader};
use super::ExportHeader;
use super::window::{read_window, reload_declarations};
pub use encryption::{BackupDecryption, BackupEncryption};
pub use layer::BackedUpStore;
pub use source::{BackupPoint, BackupSource, points};

/// The time after which new rows of time series are read.
pub const SERIES_INTERVAL: Millis = Millis::minutes(10);

/// How much older than its insertion the time of a row may be.
pub const SERIES_DELAY: Millis = Millis::minutes(60);

/// Documents per page of the base: few, because each may be large.
const PAGE: u32 = 64;

/// The bytes of documents after which a segment of the base ends.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Number of attempts while other processes write to the same backup.
const ATTEMPTS: u32 = 16;

/// Options of a [`Backup`].
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The name of the store, such as its id. A folder has the backup of one store.
    pub source: String,
    /// Number of segments after which a new base begins.
    pub segments: u64,
    /// Remove segments that only states older than this need. `None`: keep all.
    pub keep: Option<Millis>,
    /// Encrypts every segment. `None`: segments are plain text.
    pub encryption: Option<Arc<dyn BackupEncryption>>,
}

impl BackupOptions {
    /// A new base every 10,000 segments; nothing is removed or encrypted.
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), segments: 10_000, keep: None, encryption: None }
    }
}

/// A store and its backup.
///
/// ```
/// # use std::sync::Arc;
/// # use runstate::objects::ObjectFolder;
/// # use runstate::engine::{Engine, Error, SystemHost};
/// # use runstate::store::{Memory, Store};
/// # use runstate::time::Millis;
/// use runstate::transfer::backup::{BackedUpStore, Backup, BackupOptions};
/// # async fn example(directory: &str) -> Result<(), Error> {
/// let store: Arc<dyn Store> = Arc::new(Memory::new());
/// let engine = Engine::new(store.clone(), Arc::new(SystemHost), runstate::domain::ALL).await?;
/// let folder = Arc::new(ObjectFolder::open(&format!("local:{directory}"))?);
/// let backup = Arc::new(Backup::new(&engine, folder, BackupOptions::new("my store"))?);
/// // Everything at first, then what has changed.
/// assert!(backup.catch_up(Millis(0), |_| {}).await?.segments > 0);
/// // Commits to these collections are acknowledged when the backup has them.
/// let store = BackedUpStore::new(store, backup, &["cvm.executions"]);
/// # drop(store);
/// # Ok(())
/// # }
/// # let directory = tempfile::tempdir().unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(example(directory.path().to_str().unwrap())).unwrap();
/// ```
pub struct Backup {
    engine: Engine,
    folder: Arc<ObjectFolder>,
    options: BackupOptions,
    /// The last segment, if it is known. The task that has the lock writes.
    last: async_lock::Mutex<Option<SegmentHeader>>,
}

/// The number of segments and documents that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Number of segments.
    pub segments: u64,
    /// Number of documents and deletions in them.
    pub documents: u64,
}

impl Backup {
    /// The backup of the store of `engine` in `folder`. Nothing is read or written yet.
    ///
    /// Errors: `unsupported` if the store has no change feed.
    pub fn new(engine: &Engine, folder: Arc<ObjectFolder>, options: BackupOptions) -> Result<Self, Error> {
        let capabilities = engine.store().capabilities();
        if !capabilities.change_feed {
            let message = format!("a store of kind {} has no change feed to follow", capabilities.name);
            return Err(Error::new(ErrorCode::UNSUPPORTED, message));
        }
        Ok(Self { engine: engine.at_rest(), folder, options, last: async_lock::Mutex::new(None) })
    }

    /// Writes what the backup lacks. When it returns, the backup has every change that was committed before the call,
    /// and ends at a point.
    ///
    /// It waits up to `wait` for a change if there is none. If it is dropped or fails, a repeat continues.
    ///
    /// Errors: `already_exists` if the folder has the backup of another store, or one in plain text that is to be
    /// encrypted; `key_missing` if it is encrypted, but not by [`BackupOptions::encryption`]; `conflict` if others
    /// keep writing to the folder, or the store is written to so often that no point is found; `corrupt`; errors of the
    /// store and of the folder.
    pub async fn catch_up(&self, wait: Millis, mut progress: impl FnMut(Progress)) -> Result<BackupReport, Error> {
        let mut last = self.last.lock().await;
        let mut report = BackupReport::default();
        for _ in 0..ATTEMPTS {
            // It is set again only after success.
            let found = match last.take() {
                Some(header) => Some(header),
                None => self.find_last().await?,
            };
            let mut run = BackupRun { backup: self, report: &mut report, scan: None, progress: &mut progress };
            match run.advance(found, wait).await? {
                Some(header) => {
                    self.remove_old(&header).await?;
                    *last = Some(header);
                    return Ok(report);
                }
                None => report.documents = 0,
            }
        }
        let message = "other processes keep writing to the backup, or the store is written to too often. Try again";
        Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) })
    }

    async fn find_last(&self) -> Result<Option<SegmentHeader>, Error> {
        let Some(number) = segment::numbers(&self.folder).await?.pop() else { return Ok(None) };
        let header = BackupSegment::read_header(&self.folder, number, None).await?;
        if header.source != self.options.source {
            let message = format!("{} has the backup of another store (`{}`)", self.folder.name(), header.source);
            return Err(Error::new(ErrorCode::ALREADY_EXISTS, message));
        }
        check_encryption(self.options.encryption.as_deref(), header.encryption.as_ref(), self.folder.name())?;
        Ok(Some(header))
    }

    /// Removes the segments before the base of the last point that is older than what is kept.
    async fn remove_old(&self, last: &SegmentHeader) -> Result<(), Error> {
        let Some(keep) = self.options.keep else { return Ok(()) };
        // Only a new base makes segments superfluous.
        let Some(first) = segment::numbers(&self.folder).await?.first().copied().filter(|first| *first < last.base)
        else {
            return Ok(());
        };
        let until = self.engine.now() - keep;
        if let Some(point) = source::find_point(&self.folder, Some(until), None).await? {
            for number in first..point.base {
                self.folder.remove(&segment::name(number)).await?;
            }
        }
        Ok(())
    }
}

/// A base that is being read.
struct Scan {
    collections: VecDeque<&'static Collection>,
    query: Option<Query>,
}

/// One attempt to write what is missing.
struct BackupRun<'a, P> {
    backup: &'a Backup,
    report: &'a mut BackupReport,
    scan: Option<Scan>,
    progress: &'a mut P,
}

impl<P: FnMut(Progress)> BackupRun<'_, P> {
    /// Returns the last segment; `None` if another process has written the next one.
    async fn advance(&mut self, last: Option<SegmentHeader>, mut wait: Millis) -> Result<Option<SegmentHeader>, Error> {
        let Some(mut last) = (match last {
            Some(last) if last.number - last.base < self.backup.options.segments => Some(last),
            last => self.begin_base(last.as_ref()).await?,
        }) else {
            return Ok(None);
        };
        loop {
            let next = match self.follow(&last, wait).await {
                Ok(next) => next,
                Err(error) if error.code == ErrorCode::POSITION_EXPIRED => {
                    self.scan = None;
                    BackupStep::of(self.begin_base(Some(&last)).await?)
                }
                Err(error) => return Err(error),
            };
            wait = Millis(0);
            match next {
                BackupStep::Written(header) => last = *header,
                BackupStep::Overtaken => return Ok(None),
                BackupStep::Nothing => return Ok(Some(last)),
            }
            self.backup.engine.yield_now().await;
        }
    }

    /// Begins a base with a segment without documents, so that its position is kept from here on.
    async fn begin_base(&mut self, last: Option<&SegmentHeader>) -> Result<Option<SegmentHeader>, Error> {
        let (number, point) = last.map_or((1, None), |last| (last.number + 1, last.point.clone()));
        let encryption = match last {
            Some(last) => last.encryption.clone(),
            None => self.backup.options.encryption.as_deref().map(BackupEncryption::new_parameters).transpose()?,
        };
        reload_declarations(&self.backup.engine).await?;
        let position = self.backup.engine.store().changes(None, 0, Millis(0)).await?.next.0;
        let now = self.backup.engine.now();
        let scanned = exported_collections(&self.backup.engine.catalog()).first().map(|one| one.name.to_owned());
        let header = SegmentHeader {
            number,
            source: self.backup.options.source.clone(),
            base: number,
            scanned,
            position,
            is_settled: false,
            point,
            series_at: now,
            export: Some(ExportHeader::new(&self.backup.engine).await?),
            encryption,
        };
        self.write(header, &BackupSegment::default()).await
    }

    /// Writes the next segment: the changes since the last one, or the next part of the base.
    async fn follow(&mut self, last: &SegmentHeader, wait: Millis) -> Result<BackupStep, Error> {
        let (engine, now) = (&self.backup.engine, self.backup.engine.now());
        let is_scanning = last.scanned.is_some();
        let wait = if is_scanning || !last.is_settled { Millis(0) } else { wait };
        let window = read_window(engine, &last.position, wait).await?;
        let mut next = SegmentHeader { number: last.number + 1, ..last.clone() };
        let mut segment = BackupSegment::default();
        // The clear header of an encrypted segment has none.
        if window.events > 0 || next.export.is_none() {
            next.export = Some(ExportHeader::new(engine).await?);
        }
        if window.events > 0 {
            next.position = window.next.0;
            for (key, found) in window.keys.iter().zip(window.found) {
                segment.push(&engine.catalog(), key, found)?;
            }
            self.add_ledger_rows(&mut segment, &window.commands).await?;
        }
        if is_scanning {
            // Changes come first: what is read now is at least as new.
            self.scan(&mut next, &mut segment).await?;
        } else {
            self.add_series(&mut next, &mut segment, now).await?;
        }
        if !is_scanning && window.is_last {
            next.is_settled = true;
            if window.is_consistent {
                // The store was in this state after the time was read.
                next.point = Some(BackupPoint { segment: next.number, base: next.base, at: now });
            }
        }
        let is_new = is_scanning || !segment.is_empty() || window.events > 0 || (next.is_point() && !last.is_point());
        match is_new {
            true => self.write(next, &segment).await.map(BackupStep::of),
            false => Ok(BackupStep::Nothing),
        }
    }

    async fn add_ledger_rows(&self, segment: &mut BackupSegment, commands: &[String]) -> Result<(), Error> {
        let engine = &self.backup.engine;
        let keys: Vec<Key> = commands.iter().map(|command| Key::new(&COMMANDS, command)).collect();
        let found = engine.store().get(&keys, Freshness::Linearizable).await?;
        // A sweep has no row, and a row may have expired.
        for (key, found) in keys.iter().zip(found).filter(|(_, found)| found.is_some()) {
            segment.push(&engine.catalog(), key, found)?;
        }
        Ok(())
    }

    /// Adds rows of time series that were inserted since they were read last.
    async fn add_series(
        &self,
        next: &mut SegmentHeader,
        segment: &mut BackupSegment,
        now: Timestamp,
    ) -> Result<(), Error> {
        if now < next.series_at + SERIES_INTERVAL {
            return Ok(());
        }
        let engine = &self.backup.engine;
        let since = (next.series_at - SERIES_DELAY).as_millis();
        next.series_at = now;
        for collection in exported_collections(&engine.catalog()) {
            let Some(series) = collection.detached else { continue };
            let mut query =
                Some(Query::of(collection).filter(Filter::Gte(series.time.into(), since.into())).limit(PAGE));
            while let Some(reading) = query.take() {
                let page = engine.store().query(&reading, Freshness::Linearizable).await?;
                for Row { id, stored, .. } in page.items {
                    segment.push(&engine.catalog(), &Key::new(collection, &id), Some(stored))?;
                }
                query = page.next.map(|cursor| reading.after(Some(cursor)));
            }
        }
        Ok(())
    }

    /// Adds the next documents of the base.
    async fn scan(&mut self, next: &mut SegmentHeader, segment: &mut BackupSegment) -> Result<(), Error> {
        let engine = &self.backup.engine;
        let scan = self.scan.get_or_insert_with(|| {
            // A scan that another process began continues with its collection.
            let all = exported_collections(&engine.catalog()).into_iter();
            let collections = all.skip_while(|one| next.scanned.as_deref() != Some(one.name)).collect();
            Scan { collections, query: None }
        });
        let mut bytes = 0;
        while bytes < SEGMENT_BYTES
            && let Some(collection) = scan.collections.front().copied()
        {
            let query = scan.query.take().unwrap_or_else(|| Query::of(collection).limit(PAGE));
            let page = engine.store().query(&query, Freshness::Linearizable).await?;
            for Row { id, stored, .. } in page.items {
                bytes += json_bytes(&*stored.document);
                segment.push(&engine.catalog(), &Key::new(collection, &id), Some(stored))?;
            }
            scan.query = page.next.map(|cursor| query.after(Some(cursor)));
            if scan.query.is_none() {
                scan.collections.pop_front();
            }
        }
        next.scanned = scan.collections.front().map(|one| one.name.to_owned());
        if next.scanned.is_none() {
            self.scan = None;
        }
        Ok(())
    }

    /// Creates a segment; `None` if another process has created it.
    async fn write(&mut self, header: SegmentHeader, segment: &BackupSegment) -> Result<Option<SegmentHeader>, Error> {
        let Backup { folder, options, .. } = self.backup;
        let bytes = segment.encode(&header, options.encryption.as_deref())?;
        let is_created = folder.create(&segment::name(header.number), bytes).await?;
        if !is_created {
            return Ok(None);
        }
        self.report.segments += 1;
        self.report.documents += segment.len();
        (self.progress)(Progress { phase: Phase::Write, done: self.report.documents, of: None });
        Ok(Some(header))
    }
}

/// The result of [`BackupRun::follow`].
enum BackupStep {
    /// It wrote a segment.
    Written(Box<SegmentHeader>),
    /// Another process has written the segment.
    Overtaken,
    /// There was nothing to write.
    Nothing,
}

impl BackupStep {
    fn of(written: Option<SegmentHeader>) -> Self {
        written.map_or(Self::Overtaken, |header| Self::Written(Box::new(header)))
    }
}
