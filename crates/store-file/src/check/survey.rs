//! Survey: reads all files of a store in any state, and records the findings of each file.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate_core::marker::BoxFuture;
use runstate_core::schema::{Catalog, Key};
use runstate_store::tables::Tables;
use runstate_store::{BatchLimits, Finding, Severity, StoreError, VerifyReport};
use runstate_value::sort_by;

use super::ProgressObserver;
use super::damaged_tail::{AppliedCommits, DamagedTail, Losses, apply_orphans};
use crate::commit_log::VERSIONS;
use crate::error_mapping::map_fs_error;
use crate::format::{
    COMMITS, IDENTITY, RESERVE, SNAPSHOTS, StoreIdentity, check_seal, commit_path, commit_seq, file_hash,
    is_backoff_request, is_temp, snapshot_path, snapshot_seq,
};
use crate::fs::{Fs, FsError, RandomAccessFile, Reason, Sequence, optional};
use crate::load::{LogHead, plan_replay};
use crate::open::no_store;
use crate::snapshot::{self, SnapshotBase, SnapshotError, SnapshotHeader};
use crate::{commit_file, compaction};

/// Sequence numbers are below this limit: a thousand commits a second for thirty thousand years. No store file has a
/// greater one.
const NUMBER_LIMIT: u64 = 1_000_000_000_000_000;

/// Attempts to read a file after disk errors.
pub(super) const READ_ATTEMPTS: usize = 3;

/// Attempts to survey a store that is compacted meanwhile.
const ATTEMPTS: usize = 10;

/// The survey of a store.
pub struct Survey {
    /// The collections of the store, with their unique indexes.
    pub catalog: Catalog,
    pub observer: Option<Arc<dyn ProgressObserver>>,
}

/// The readable state of a store, and the findings.
pub struct SurveyResult {
    pub report: VerifyReport,
    /// The identity in runstate.json, or the one that it should have.
    pub identity: Option<StoreIdentity>,
    /// Whether runstate.json must be written again.
    pub identity_damaged: bool,
    /// All intact documents.
    pub tables: Tables,
    /// The greatest sequence number of any file.
    pub highest: u64,
    /// The numbers of all snapshot files, intact or not.
    pub snapshots: Vec<u64>,
    /// Numbers that may be the head of a process that needs the next one.
    pub possible_heads: BTreeSet<u64>,
    /// Files that do not belong to the state and are to be preserved.
    pub broken: Vec<String>,
    /// The files in `broken` that no snapshot replaces, because their numbers are out of range.
    pub out_of_range: Vec<String>,
}

impl Sequence for Survey {
    type Output = Result<SurveyResult, StoreError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            for _ in 0..ATTEMPTS {
                let mut surveyor = Surveyor::new(fs, &self);
                match surveyor.run().await {
                    Ok(true) => return Ok(surveyor.result),
                    // A snapshot was taken meanwhile, and a file that was being read is removed.
                    Ok(false) => {}
                    Err(SurveyError::Disk(e)) => return Err(map_fs_error(&e, &root)),
                    Err(SurveyError::Store(error)) => return Err(error),
                }
            }
            Err(StoreError::Unavailable {
                what: format!("the store at {root}"),
                why: "other processes kept taking snapshots while it was read; repeat the command".to_owned(),
            })
        })
    }
}

/// An open snapshot, with its contents if it is intact.
type OpenedSnapshot = (Arc<dyn RandomAccessFile>, Result<(SnapshotHeader, Arc<SnapshotBase>), String>);

pub(super) enum SurveyError {
    Disk(FsError),
    Store(StoreError),
}

impl From<FsError> for SurveyError {
    fn from(e: FsError) -> Self {
        SurveyError::Disk(e)
    }
}

impl From<StoreError> for SurveyError {
    fn from(error: StoreError) -> Self {
        SurveyError::Store(error)
    }
}

pub(super) struct Surveyor<'a, F> {
    pub fs: &'a F,
    survey: &'a Survey,
    total: u64,
    /// A snapshot of which only a part could be read, and the documents in the rest.
    lost_documents: Option<(String, Vec<Key>)>,
    pub result: SurveyResult,
}

impl<'a, F: Fs> Surveyor<'a, F> {
    fn new(fs: &'a F, survey: &'a Survey) -> Self {
        let tables = Tables::new(&Catalog::default(), BatchLimits::default());
        let (report, snapshots, possible_heads, broken, out_of_range) = Default::default();
        Self {
            fs,
            survey,
            total: 0,
            lost_documents: None,
            result: SurveyResult {
                report,
                identity: None,
                identity_damaged: false,
                tables,
                highest: 0,
                snapshots,
                possible_heads,
                broken,
                out_of_range,
            },
        }
    }

    /// Runs the survey. Returns `false` if the store was compacted meanwhile.
    async fn run(&mut self) -> Result<bool, SurveyError> {
        let fs = self.fs;
        let (commits, snapshots) = self.list_numbers().await?;
        self.check_identity(&commits, &snapshots).await?;
        let head = self.check_snapshots(&snapshots).await?;
        self.check_commits(&commits, head).await?;
        self.check_reserve().await?;
        self.name_salvage_losses()?;
        let counts = self.result.tables.collections().filter(|(name, _)| *name != VERSIONS).map(|(_, count)| count);
        self.result.report.documents = counts.sum();
        let names = optional(fs.list(SNAPSHOTS).await)?.unwrap_or_default();
        let newest = names.iter().filter_map(|name| snapshot_seq(name)).filter(|seq| *seq < NUMBER_LIMIT).max();
        Ok(newest == snapshots.iter().copied().max())
    }

    /// Lists the numbers of all commits and snapshots, in order.
    async fn list_numbers(&mut self) -> Result<(Vec<u64>, Vec<u64>), SurveyError> {
        let fs = self.fs;
        let names = optional(fs.list("").await)?.unwrap_or_default();
        if ![IDENTITY, COMMITS, SNAPSHOTS].iter().any(|expected| names.iter().any(|name| name == expected)) {
            return Err(no_store(&fs.root()).into());
        }
        let mut commits = Vec::new();
        for name in optional(fs.list(COMMITS).await)?.unwrap_or_default() {
            match commit_seq(&name) {
                Some(seq) if seq < NUMBER_LIMIT => commits.push(seq),
                Some(_) => self.add_out_of_range(format!("{COMMITS}/{name}")),
                None if is_temp(&name) => self.add_harmless(&format!("{COMMITS}/{name}"), "it is an unfinished file"),
                None => self.add_harmless(&format!("{COMMITS}/{name}"), "it is not a file of the store"),
            }
        }
        let mut snapshots = Vec::new();
        for name in optional(fs.list(SNAPSHOTS).await)?.unwrap_or_default() {
            match snapshot_seq(&name) {
                Some(seq) if seq < NUMBER_LIMIT => snapshots.push(seq),
                Some(seq) => {
                    self.result.snapshots.push(seq);
                    self.add_out_of_range(format!("{SNAPSHOTS}/{name}"));
                }
                None if is_backoff_request(&name) => {
                    self.add_harmless(&format!("{SNAPSHOTS}/{name}"), "it is the backoff request of a process")
                }
                None => self.add_harmless(&format!("{SNAPSHOTS}/{name}"), "it is not a file of the store"),
            }
        }
        sort_by(&mut commits, Ord::cmp);
        sort_by(&mut snapshots, Ord::cmp);
        self.result.snapshots.extend(&snapshots);
        self.result.possible_heads = commits.iter().chain(&snapshots).copied().chain([0]).collect();
        self.result.highest = commits.iter().chain(&snapshots).copied().max().unwrap_or(0);
        for path in commits.iter().map(|seq| commit_path(*seq)).chain(snapshots.iter().map(|seq| snapshot_path(*seq))) {
            self.total += optional(fs.size(&path).await)?.unwrap_or(0);
        }
        Ok((commits, snapshots))
    }

    /// Reads a commit. A disk that fails repeatedly counts as damage, and so does a folder.
    pub(super) async fn read_commit(&self, path: &str) -> Result<Option<Vec<u8>>, FsError> {
        let mut attempt = 1;
        loop {
            match optional(self.fs.read(path, None).await) {
                Err(e) if attempt < READ_ATTEMPTS && e.reason != Reason::Denied => attempt += 1,
                read => return read,
            }
        }
    }

    /// Reads a whole snapshot, or finds what is wrong with it. A failed read is repeated.
    async fn read_snapshot(&self, seq: u64, store: &str, at: &str) -> Result<Option<OpenedSnapshot>, FsError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(source) = optional(self.fs.open_file(&snapshot_path(seq)).await)? else { return Ok(None) };
            let verified = match snapshot::open(source.clone(), seq, store, at) {
                Ok((header, base)) => base.verify().map(|()| (header, base)),
                Err(SnapshotError::Invalid(why)) => Err(StoreError::Corrupt { at: at.to_owned(), why }),
                Err(SnapshotError::Disk(e)) if e.reason == Reason::Denied => return Err(e),
                Err(SnapshotError::Disk(e)) => Err(map_fs_error(&e, at)),
            };
            match verified {
                Ok(opened) => return Ok(Some((source, Ok(opened)))),
                Err(StoreError::Corrupt { why, .. }) => return Ok(Some((source, Err(why)))),
                Err(_) if attempt < READ_ATTEMPTS => {}
                Err(error) => return Ok(Some((source, Err(error.to_string())))),
            }
        }
    }

    /// Checks all snapshots and starts from the newest readable one. Of a damaged snapshot it takes the intact blocks.
    async fn check_snapshots(&mut self, snapshots: &[u64]) -> Result<Option<LogHead>, SurveyError> {
        let mut head = None;
        let newest = snapshots.last().copied();
        for seq in snapshots.iter().rev() {
            let path = snapshot_path(*seq);
            let at = format!("{}/{path}", self.fs.root());
            let store = self.result.identity.as_ref().map(|identity| identity.store.clone()).unwrap_or_default();
            let Some((source, verified)) = self.read_snapshot(*seq, &store, &at).await? else { continue };
            self.count_bytes(source.size());
            match verified {
                Ok(_) if head.is_some() => {}
                Ok((header, base)) => {
                    if newest == Some(*seq) {
                        self.result.report.snapshot = Some(*seq);
                    }
                    self.result.tables = Tables::with_base(base, BatchLimits::default())?;
                    head = Some(LogHead { base: Some(*seq), seq: *seq, hash: header.prev, end: None });
                }
                Err(why) if head.is_some() => self.add_harmless(&path, &why),
                Err(why) => {
                    self.result.broken.push(path.clone());
                    if snapshot::read_header(&*source).is_ok_and(|header| header.store != store) {
                        self.add_damage(&path, why, Vec::new());
                        continue;
                    }
                    let Ok((header, base)) = snapshot::open_damaged(source, *seq, &store, &at) else {
                        self.add_damage(&path, why, vec!["every document that only this snapshot contains".to_owned()]);
                        continue;
                    };
                    let salvaged = base.salvage();
                    self.add_damage(&path, why, salvaged.lost);
                    self.lost_documents = Some((path, salvaged.lost_documents));
                    for (key, stored) in salvaged.documents {
                        self.result.tables.restore(key, stored)?;
                    }
                    head = Some(LogHead { base: Some(*seq), seq: *seq, hash: header.prev, end: None });
                }
            }
        }
        if let (Some(newest), Some(base)) = (newest, head.as_ref().and_then(|head| head.base))
            && base < newest
        {
            self.result.report.snapshot = Some(base);
        }
        Ok(head)
    }

    async fn check_commits(&mut self, commits: &[u64], head: Option<LogHead>) -> Result<(), SurveyError> {
        if let Some(base) = head.as_ref().and_then(|head| head.base).filter(|base| *base > 0 && !commits.contains(base))
        {
            let why = "it is missing, although the snapshot was taken after it; unless a repair took the snapshot, later commits \
                       may be missing too";
            self.add_harmless(&commit_path(base), why);
        }
        let first =
            || SnapshotHeader::first(self.result.identity.as_ref().unwrap_or(&StoreIdentity::from_store_id("")));
        let mut head = head.unwrap_or_else(|| LogHead { base: None, seq: 0, hash: first().prev, end: None });
        for seq in commits.iter().filter(|seq| **seq <= head.seq) {
            self.check_superseded(*seq, &head).await?;
        }
        let mut tail = DamagedTail::default();
        // The report does not list every finding, so it cannot show which files already have one.
        let mut reported = BTreeSet::new();
        for seq in commits.iter().filter(|seq| **seq > head.base.unwrap_or(0)) {
            let path = commit_path(*seq);
            let bytes = match self.read_commit(&path).await {
                Ok(Some(bytes)) => bytes,
                // It was removed meanwhile, or it is a name without a file.
                Ok(None) if !self.is_listed(&path).await? => continue,
                Ok(None) => {
                    reported.insert(path.clone());
                    self.add_damage(
                        &path,
                        "the name exists, but there is no file; remove the broken symbolic link".to_owned(),
                        Vec::new(),
                    );
                    Vec::new()
                }
                // A missing permission of this user is not damage.
                Err(e) if e.reason == Reason::Denied => return Err(e.into()),
                Err(e) => {
                    reported.insert(path.clone());
                    self.add_damage(&path, e.to_string(), Vec::new());
                    Vec::new()
                }
            };
            self.count_bytes(bytes.len() as u64);
            if !tail.has_begun() {
                match self.apply_next(&bytes, *seq, &head)? {
                    Ok(()) => {
                        self.result.report.commits += 1;
                        head.seq = *seq;
                        head.hash = file_hash(&bytes);
                        continue;
                    }
                    Err(why) => {
                        let (at, why) = match head.seq + 1 {
                            missing if missing < *seq => {
                                (commit_path(missing), format!("it is missing, but commit {seq} exists"))
                            }
                            _ => (path.clone(), why),
                        };
                        if reported.insert(at.clone()) {
                            self.add_damage(&at, why, Vec::new());
                        }
                    }
                }
            }
            self.result.broken.push(path);
            tail.push(*seq, bytes);
        }
        self.result.report.head = head.seq;
        for (seq, why) in tail.damaged() {
            let path = commit_path(seq);
            if reported.insert(path.clone()) {
                self.add_damage(&path, why.clone(), Vec::new());
            }
        }
        let store = self.result.report.store.clone().unwrap_or_default();
        let tables = &mut self.result.tables;
        let mut applied = AppliedCommits::new();
        if tail.has_begun() {
            let mut with_orphans = tables.clone();
            let orphans = apply_orphans(&tail, &store, &mut with_orphans)?;
            let declared = with_orphans.clone().declare(&self.survey.catalog);
            // A lost commit may have freed a unique entry that a later one uses. No orphan is applied then.
            if !matches!(declared, Err(StoreError::UniqueViolation { .. })) {
                (*tables, applied) = (with_orphans, orphans);
            }
        }
        let mut losses = tail.losses(&applied, &store, tables)?;
        losses.remove(self.lost_documents.iter().flat_map(|(_, documents)| documents));
        let lost = losses.describe(tables)?;
        let findings = &mut self.result.report.findings;
        let is_damage = |finding: &Finding| finding.severity == Severity::Damage;
        let of_commit = findings.iter().position(|finding| is_damage(finding) && finding.at.starts_with(COMMITS));
        // If the report lists no damaged commit, the first damage names the lost commands.
        let first = of_commit.or_else(|| findings.iter().position(is_damage));
        if let Some(finding) = first.and_then(|first| findings.get_mut(first)) {
            finding.lost.extend(lost);
        }
        Ok(())
    }

    /// Names the documents that only the damaged part of a snapshot had. No later commit can have changed them.
    fn name_salvage_losses(&mut self) -> Result<(), SurveyError> {
        let Some((path, documents)) = self.lost_documents.take() else { return Ok(()) };
        let tables = &self.result.tables;
        let lost = Losses::of_snapshot(documents, tables)?.describe(tables)?;
        if let Some(finding) = self.result.report.findings.iter_mut().find(|finding| finding.at == path) {
            finding.lost.extend(lost);
        }
        Ok(())
    }

    async fn is_listed(&self, path: &str) -> Result<bool, FsError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(optional(self.fs.list(folder).await)?.unwrap_or_default().iter().any(|listed| listed == name))
    }

    /// Applies the next commit. The inner error says what is wrong with it.
    fn apply_next(&mut self, bytes: &[u8], seq: u64, head: &LogHead) -> Result<Result<(), String>, SurveyError> {
        if seq != head.seq + 1 {
            return Ok(Err(String::new()));
        }
        let planned = match commit_file::read(bytes, seq, &head.hash) {
            Ok(file) => plan_replay(&self.result.tables, &file.commits)?,
            Err(why) => Err(why),
        };
        Ok(planned.map(|commits| commits.into_iter().for_each(|commit| self.result.tables.apply(commit))))
    }

    /// Checks a commit that the snapshot contains. No document depends on it.
    async fn check_superseded(&mut self, seq: u64, head: &LogHead) -> Result<(), SurveyError> {
        let path = commit_path(seq);
        let Some(bytes) = optional(self.fs.read(&path, None).await)? else { return Ok(()) };
        self.count_bytes(bytes.len() as u64);
        if seq == head.seq && file_hash(&bytes) != head.hash {
            self.add_harmless(&path, "it is not the commit that the snapshot was taken after");
        } else if let Err(why) = check_seal(&bytes) {
            self.add_harmless(&path, why);
        }
        Ok(())
    }

    async fn check_reserve(&mut self) -> Result<(), SurveyError> {
        if let Some(bytes) = optional(self.fs.read(RESERVE, None).await)?
            && bytes != compaction::reserve_bytes(bytes.len() as u64)
        {
            self.add_harmless(RESERVE, "its bytes were changed; it only reserves space and contains no data");
        }
        Ok(())
    }

    fn count_bytes(&mut self, bytes: u64) {
        self.result.report.bytes += bytes;
        if let Some(observer) = &self.survey.observer {
            observer.progress(self.result.report.bytes.min(self.total), self.total);
        }
    }

    fn add_out_of_range(&mut self, path: String) {
        self.add_damage(
            &path,
            "the number in its name is out of range; move it to another folder".to_owned(),
            Vec::new(),
        );
        self.result.broken.push(path.clone());
        self.result.out_of_range.push(path);
    }

    fn add_harmless(&mut self, at: &str, why: &str) {
        self.result.report.add(Finding::harmless(at, why));
    }

    pub(super) fn add_damage(&mut self, at: &str, why: String, lost: Vec<String>) {
        self.result.report.add(Finding { lost, ..Finding::damage(at, why) });
    }
}
