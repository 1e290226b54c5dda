//! Commits (rules 4 to 6) with group commit. The task that holds the write lock is the leader. It plans the work of all
//! waiting callers, each on top of the one before, and writes it as one file. No caller gets an answer before the file,
//! and everything it depends on, is durable.
//!
//! Known as: group commit.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use event_listener::Event;
use runstate_core::schema::Catalog;
use runstate_store::tables::{BatchPlan, LoggedCommit, LoggedOp, PendingCommits, PlannedCommit};
use runstate_store::{Batch, Position, StoreError, WriteOp};
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::commit_file::{self, CommitEntry};
use super::commit_log::{CommitLog, plan_versions};
use super::contention::{BackoffRequest, LOSSES_BEFORE_REQUEST};
use super::error_mapping::map_write_error;
use super::format::commit_path;
use super::fs::{Fs, FsError, Reason};
use super::load::FileEnd;
use super::protocol::{DirtyFolders, PutCommit, PutOutcome};
use super::{FileStoreInner, RefreshPurpose, compaction};

/// Maximum number of commits in one file.
const GROUP_COMMITS: usize = 1_024;

/// Bytes of batches after which no more commits are added to a file.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How many temps of one commit may vanish. A snapshot removes one temp; more means that another program deletes files.
const VANISHED_TEMPS: usize = 64;

pub(super) enum CommitWork {
    Batch {
        batch: Box<Batch>,
        /// The result of [`Tables::validate`](runstate_store::tables::Tables::validate). It is computed before the work
        /// is queued, so that no other caller waits for it.
        check: Result<usize, StoreError>,
    },
    Sweep {
        collection: String,
        now: Timestamp,
        limit: usize,
    },
    /// The versions of a catalog's collections, if the store has not recorded them.
    Versions(Catalog),
}

#[derive(Clone, Debug)]
pub(super) struct WorkResult {
    pub position: Position,
    pub result: Json,
    pub replayed: bool,
    pub swept: usize,
    /// Whether a commit was written for it.
    pub written: bool,
}

/// Work in the queue, with the answer for its caller.
pub(super) struct QueuedWork {
    work: CommitWork,
    answer: Mutex<Option<Result<WorkResult, StoreError>>>,
    answered: Event,
}

/// Queued work in order of arrival. An entry stays until it is answered or its caller has stopped waiting. If a leader
/// is cancelled, the next leader finds all unfinished work here.
#[derive(Default)]
pub(super) struct CommitWorkQueue(Mutex<VecDeque<Weak<QueuedWork>>>);

/// The next step for a piece of work.
enum Proposal {
    Write(Timestamp, CommitEntry, PlannedCommit),
    Answer(Result<WorkResult, StoreError>),
}

/// One attempt: the commits of one file, and the answers to send once everything they depend on is durable.
#[derive(Default)]
struct CommitGroup {
    at: Timestamp,
    entries: Vec<CommitEntry>,
    writers: Vec<Arc<QueuedWork>>,
    planned: PendingCommits,
    answers: Vec<(Arc<QueuedWork>, Result<WorkResult, StoreError>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is changed in one step, so a panic elsewhere cannot leave it inconsistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QueuedWork {
    fn is_answered(&self) -> bool {
        lock(&self.answer).is_some()
    }

    fn answer(&self, answer: Result<WorkResult, StoreError>) {
        *lock(&self.answer) = Some(answer);
        self.answered.notify(usize::MAX);
    }
}

impl CommitWorkQueue {
    fn push(&self, queued: &Arc<QueuedWork>) {
        lock(&self.0).push_back(Arc::downgrade(queued));
    }

    /// Returns the unanswered work of callers that still wait, and drops the rest.
    fn collect_unanswered(&self) -> Vec<Arc<QueuedWork>> {
        let mut queue = lock(&self.0);
        let waiting: Vec<Arc<QueuedWork>> =
            queue.iter().filter_map(Weak::upgrade).filter(|queued| !queued.is_answered()).collect();
        *queue = waiting.iter().map(Arc::downgrade).collect();
        waiting
    }
}

impl CommitWork {
    fn propose(&self, log: &CommitLog, pending: &PendingCommits) -> Result<Proposal, StoreError> {
        let write = |at, entry, planned| log.check_writable().map(|()| Proposal::Write(at, entry, planned));
        let answer_with = |result, replayed| {
            Ok(Proposal::Answer(Ok(WorkResult {
                position: log.feed.end(),
                result,
                replayed,
                swept: 0,
                written: false,
            })))
        };
        match self {
            CommitWork::Batch { batch, check } => {
                let check = || match log.may_be_replaced {
                    true => check.clone().and_then(|_| log.tables.check_changes(pending, batch)),
                    false => check.clone().map(drop),
                };
                match log.tables.plan_with_validation(pending, batch, check)? {
                    BatchPlan::Replay(result) => answer_with(result, true),
                    BatchPlan::PlannedCommit(commit) => {
                        write(batch.at, CommitEntry::from_batch(batch, &commit), commit)
                    }
                }
            }
            CommitWork::Sweep { collection, now, limit } => {
                let commit = log.tables.plan_sweep(collection, *now, *limit)?;
                if commit.changes.is_empty() {
                    return answer_with(Json::Null, false);
                }
                let ops = commit.changes.iter().map(|change| (change.key.clone(), LoggedOp::Delete)).collect();
                let logged = LoggedCommit { command: commit.command.clone(), entry: None, ops };
                write(*now, CommitEntry::from_planned(logged, &commit), commit)
            }
            CommitWork::Versions(catalog) => match plan_versions(log, catalog)? {
                None => answer_with(Json::Null, false),
                Some((entry, commit)) => write(Timestamp::default(), entry, commit),
            },
        }
    }

    /// Work other than a batch is planned on the tables alone, so no commit may be planned before it in the same file.
    fn is_exclusive(&self) -> bool {
        !matches!(self, CommitWork::Batch { .. })
    }

    /// Whether the work removes data, so that the reserve may be released for it.
    fn frees_space(&self) -> bool {
        match self {
            CommitWork::Batch { batch, .. } => {
                let deletes = batch.writes.iter().any(|write| matches!(write.op, WriteOp::Delete));
                let inserts = batch.writes.iter().any(|write| matches!(write.op, WriteOp::Put { .. }));
                batch.frees_space || deletes && !inserts
            }
            CommitWork::Sweep { .. } => true,
            CommitWork::Versions(_) => false,
        }
    }

    fn bytes(&self) -> usize {
        if let CommitWork::Batch { check: Ok(bytes), .. } = self { *bytes } else { 0 }
    }

    /// Returns the result for a writer whose work is committed.
    fn result_at(&self, position: Position) -> WorkResult {
        let (result, swept) = match self {
            CommitWork::Batch { batch, .. } => (batch.result.clone(), 0),
            CommitWork::Sweep { .. } | CommitWork::Versions(_) => (Json::Null, 0),
        };
        WorkResult { position, result, replayed: false, swept, written: true }
    }
}

impl CommitGroup {
    fn collect(log: &CommitLog, waiting: Vec<Arc<QueuedWork>>, max_writers: usize) -> Self {
        let mut group = Self::default();
        let mut bytes = 0;
        for queued in waiting {
            let exclusive = queued.work.is_exclusive();
            let first = group.writers.is_empty() && group.answers.is_empty();
            bytes += queued.work.bytes();
            if !first && (exclusive || group.writers.len() >= max_writers || bytes > GROUP_BYTES) {
                break;
            }
            match queued.work.propose(log, &group.planned) {
                Ok(Proposal::Write(at, entry, planned)) => {
                    group.at = at;
                    group.entries.push(entry);
                    group.writers.push(queued);
                    group.planned.push(planned);
                }
                Ok(Proposal::Answer(result)) => group.answers.push((queued, result)),
                Err(error) => group.answers.push((queued, Err(error))),
            }
            if exclusive {
                break;
            }
        }
        group
    }

    fn frees_space(&self) -> bool {
        self.writers.iter().all(|writer| writer.work.frees_space())
    }

    /// Answers all work of the group with the same error.
    fn fail(&self, error: &StoreError) {
        self.fail_writers(error);
        self.answers.iter().for_each(|(queued, _)| queued.answer(Err(error.clone())));
    }

    /// Answers the writers with an error; nothing was written. The other work is checked again on the state of the next
    /// attempt.
    fn fail_writers(&self, error: &StoreError) {
        self.writers.iter().for_each(|writer| writer.answer(Err(error.clone())));
    }

    /// Sends the answers that needed no commit, once their state is fresh and durable. `end` is the current end of the
    /// log.
    fn send_answers(answers: Vec<(Arc<QueuedWork>, Result<WorkResult, StoreError>)>, end: &Position) {
        for (queued, answer) in answers {
            // The first commit of a command may be in the file that was just written.
            queued.answer(answer.map(|result| WorkResult { position: end.clone(), ..result }));
        }
    }
}

impl<F: Fs + 'static> FileStoreInner<F> {
    /// Commits `work` and returns its result.
    pub(super) async fn commit_work(self: &Arc<Self>, work: CommitWork) -> Result<WorkResult, StoreError> {
        self.check_open()?;
        let queued = Arc::new(QueuedWork { work, answer: Mutex::new(None), answered: Event::new() });
        self.queue.push(&queued);
        {
            let mut answered = pin!(queued.answered.listen());
            let mut guard = pin!(self.write_lock.lock());
            // Whichever comes first: another leader has answered this work, or this task gets the lock and leads.
            let guard = poll_fn(|cx| {
                if queued.is_answered() || answered.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                guard.as_mut().poll(cx).map(Some)
            })
            .await;
            if let Some(_guard) = guard {
                // The store was closed while the work waited; nothing was written.
                match self.check_open() {
                    Ok(()) => Box::pin(self.lead(&queued)).await,
                    Err(closed) => queued.answer(Err(closed)),
                }
            }
        }
        let answer = lock(&queued.answer).take();
        if answer.as_ref().is_some_and(|answer| answer.as_ref().is_ok_and(|result| result.written)) {
            Box::pin(compaction::snapshot_when_due(self)).await;
        }
        answer.unwrap_or_else(|| {
            let why = "the commit ended without a result; repeat it with the same command id".to_owned();
            Err(StoreError::Unavailable { what: format!("the store at {}", self.fs.root()), why })
        })
    }

    /// Commits queued work until `own` is answered. The caller holds the write lock.
    async fn lead(self: &Arc<Self>, own: &Arc<QueuedWork>) {
        self.contention.back_off(&self.fs).await;
        let mut leader = LeaderState { max_writers: GROUP_COMMITS, ..LeaderState::default() };
        // The callers that waited at the last refresh. They may get answers from this state without another refresh,
        // even if other processes keep committing.
        let mut fresh: Option<Vec<Arc<QueuedWork>>> = None;
        while !own.is_answered() {
            let waiting = fresh.take().map(|fresh| fresh.into_iter().filter(|queued| !queued.is_answered()).collect());
            let is_fresh = waiting.is_some();
            let group = CommitGroup::collect(
                &self.log(),
                waiting.unwrap_or_else(|| self.queue.collect_unanswered()),
                leader.max_writers,
            );
            for error in group.answers.iter().filter_map(|(_, answer)| answer.as_ref().err()) {
                self.record_damage(error.clone());
            }
            if group.writers.is_empty() {
                // Rule 7: an answer without a commit, including an error, needs fresh state.
                match if is_fresh { Ok(false) } else { self.refresh(RefreshPurpose::Reply).await } {
                    Ok(true) => fresh = Some(group.answers.into_iter().map(|(queued, _)| queued).collect()),
                    Ok(false) => CommitGroup::send_answers(group.answers, &self.log().feed.end()),
                    Err(error) => group.fail(&error),
                }
                continue;
            }
            self.try_commit(group, &mut leader).await;
        }
        if let Some(backoff) = leader.backoff_request {
            backoff.remove(&self.fs).await;
        }
    }

    /// Tries to put the commits of the group as the next file.
    async fn try_commit(self: &Arc<Self>, group: CommitGroup, leader: &mut LeaderState) {
        let (head, dirty) = {
            let log = self.log();
            (log.head.clone(), log.dirty)
        };
        let seq = head.seq + 1;
        let file = commit_file::write(seq, &head.hash, &self.identity.store, group.at, &group.entries)
            .and_then(|bytes| Ok((bytes, self.fs.entropy().map_err(self.fs_error_mapper())?)));
        let (bytes, random) = match file {
            Ok(file) => file,
            Err(error) => return group.fail_writers(&error),
        };
        let end = FileEnd::from_bytes(&bytes);
        match self.fs.run(PutCommit { bytes, head, dirty, random }).await {
            Ok(PutOutcome::Linked { hash, backoff_requests: requests }) => {
                let own = leader.backoff_request.as_ref();
                self.contention
                    .observe(requests.into_iter().filter(|name| own.is_none_or(|own| !own.has_name(name))).collect());
                self.finish_linked(group, hash, end);
            }
            Ok(PutOutcome::NumberTaken) => {
                leader.lost_numbers += 1;
                if leader.lost_numbers == LOSSES_BEFORE_REQUEST {
                    leader.backoff_request = BackoffRequest::create(&self.fs).await;
                }
                self.handle_lost_number(&group).await;
                if self.log().head.seq >= seq {
                    leader.unreadable_names = 0;
                } else if leader.unreadable_names < VANISHED_TEMPS {
                    leader.unreadable_names += 1;
                } else {
                    let at = format!("{}/{}", self.fs.root(), commit_path(seq));
                    let why = "the name exists, but it cannot be read as a file; remove it".to_owned();
                    group.fail_writers(&StoreError::Corrupt { at, why });
                }
            }
            Ok(PutOutcome::TempGone) if leader.vanished_temps < VANISHED_TEMPS => leader.vanished_temps += 1,
            Ok(PutOutcome::TempGone) => group.fail_writers(&StoreError::Unavailable {
                what: format!("the store at {}", self.fs.root()),
                why: "nothing was written; another program keeps deleting its temporary files. Stop it and repeat"
                    .to_owned(),
            }),
            Ok(PutOutcome::Overtaken) => {
                if let Err(error) = self.reload().await {
                    group.fail(&error);
                }
            }
            Ok(PutOutcome::Refused(e)) => self.handle_refusal(&group, &e, leader).await,
            // Each caller queries the outcome. The next refresh reads the commits that exist and syncs them before it
            // replies.
            Ok(PutOutcome::UnknownOutcome(e)) | Err(e) => {
                let mut log = self.log_mut();
                log.dirty = log.dirty.max(DirtyFolders::Commits);
                drop(log);
                for (writer, entry) in group.writers.iter().zip(&group.entries) {
                    let (command, why) = (entry.logged.command.clone(), e.to_string());
                    writer.answer(Err(StoreError::UnknownOutcome { command, why }));
                }
            }
        }
    }

    /// Applies a file that is linked and durable, and sends the answers.
    fn finish_linked(&self, group: CommitGroup, hash: String, end: FileEnd) {
        let CommitGroup { entries, writers, planned, answers, .. } = group;
        let positions = self.log_mut().apply_committed(planned.into_commits(), hash, end);
        self.changed.notify(usize::MAX);
        for ((writer, position), entry) in writers.iter().zip(positions).zip(&entries) {
            writer.answer(Ok(WorkResult { swept: entry.logged.ops.len(), ..writer.work.result_at(position) }));
        }
        CommitGroup::send_answers(answers, &self.log().feed.end());
    }

    /// Rule 6: another commit has the number. Applies it; all work of the group is then checked again, with a new temp.
    async fn handle_lost_number(&self, group: &CommitGroup) {
        let refreshed = match self.refresh(RefreshPurpose::Commit).await {
            // If the winning commit is missing already, a snapshot has replaced it.
            Ok(false) => self.reload().await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = refreshed {
            group.fail(&error);
        }
    }

    /// Handles a failure that wrote nothing. On a full disk each commit is tried alone, and one that removes data may
    /// release the reserve.
    async fn handle_refusal(&self, group: &CommitGroup, e: &FsError, leader: &mut LeaderState) {
        if e.reason == Reason::Full {
            if group.frees_space() && !leader.reserve_released && compaction::release_reserve(&self.fs).await {
                leader.reserve_released = true;
                self.log_mut().reserve_released = true;
                return;
            }
            if group.writers.len() > 1 {
                leader.max_writers = 1;
                return;
            }
        }
        group.fail_writers(&map_write_error(e, &self.fs.root()));
    }
}

/// Counters and limits of one leader.
#[derive(Default)]
struct LeaderState {
    max_writers: usize,
    vanished_temps: usize,
    lost_numbers: u32,
    /// How often the next name existed but could not be read.
    unreadable_names: usize,
    reserve_released: bool,
    backoff_request: Option<BackoffRequest>,
}
