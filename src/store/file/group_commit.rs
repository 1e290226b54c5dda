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

use super::commit_file::{self, CommitEntry};
use super::commit_log::{CommitLog, version_entry};
use super::compaction;
use super::contention::{BackoffRequest, LOSSES_BEFORE_REQUEST};
use super::error_mapping::map_write_error;
use super::format::commit_path;
use super::fs::{Fs, FsError, Reason, Rule};
use super::load::FileEnd;
use super::protocol::{DirtyFolders, PutCommit, PutOutcome};
use super::{FileStoreInner, RefreshPurpose};
use crate::schema::Catalog;
use crate::store::tables::{BatchPlan, PendingCommits, PlannedCommit};
use crate::store::{Batch, Position, StoreError, WriteOp};
use crate::time::Timestamp;
use crate::value::Json;

/// Maximum number of commits in one file.
const GROUP_COMMITS: usize = 1_024;

/// Bytes of batches after which no more commits are added to a file.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How many temps of one commit may vanish. A snapshot removes one temp; more means that another program deletes files.
const VANISHED_TEMPS: usize = 64;

/// Work to commit.
pub(super) enum CommitWork {
    Batch {
        batch: Batch,
        /// The result of [`Tables::validate`](crate::store::tables::Tables::validate). It is computed before the work
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

/// The result of work.
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
    Write(Timestamp, CommitEntry, Option<PlannedCommit>),
    Answer(Result<WorkResult, StoreError>),
}

/// One attempt: the commits of one file, and the answers to send once everything they depend on is durable.
#[derive(Default)]
struct CommitGroup {
    at: Timestamp,
    entries: Vec<CommitEntry>,
    writers: Vec<Arc<QueuedWork>>,
    planned: PendingCommits,
    /// The only entry was not planned; replaying it gives its outcome.
    unplanned: bool,
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
    fn push(&self, request: &Arc<QueuedWork>) {
        lock(&self.0).push_back(Arc::downgrade(request));
    }

    /// Returns the unanswered work of callers that still wait, and drops the rest.
    fn collect_unanswered(&self) -> Vec<Arc<QueuedWork>> {
        let mut queue = lock(&self.0);
        let waiting: Vec<Arc<QueuedWork>> =
            queue.iter().filter_map(Weak::upgrade).filter(|request| !request.is_answered()).collect();
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
                match log.tables.plan_with_validation(pending, batch, || check.clone().map(drop))? {
                    BatchPlan::Replay(result) => answer_with(result, true),
                    BatchPlan::PlannedCommit(commit) => {
                        write(batch.at, CommitEntry::from_batch(batch, &commit), Some(commit))
                    }
                }
            }
            CommitWork::Sweep { collection, now, limit } => {
                let commit = log.tables.plan_sweep(collection, *now, *limit)?;
                if commit.changes.is_empty() {
                    return answer_with(Json::Null, false);
                }
                write(*now, CommitEntry::from_sweep(&commit), Some(commit))
            }
            CommitWork::Versions(catalog) => match version_entry(log, catalog)? {
                None => answer_with(Json::Null, false),
                Some(entry) => write(Timestamp::default(), entry, None),
            },
        }
    }

    /// Work other than a batch is planned on the tables alone, so no commit may be planned before it in the same file.
    fn is_exclusive(&self) -> bool {
        !matches!(self, CommitWork::Batch { .. })
    }

    /// Whether the work only removes data, so that the reserve may be released for it.
    fn frees_space(&self) -> bool {
        match self {
            CommitWork::Batch { batch, .. } => {
                let deletes = batch.writes.iter().any(|write| matches!(write.op, WriteOp::Delete));
                deletes && !batch.writes.iter().any(|write| matches!(write.op, WriteOp::Put { .. }))
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
    fn collect(log: &CommitLog, waiting: Vec<Arc<QueuedWork>>, most: usize) -> Self {
        let mut round = Self::default();
        let mut bytes = 0;
        for request in waiting {
            let alone = request.work.is_exclusive();
            let first = round.writers.is_empty() && round.answers.is_empty();
            bytes += request.work.bytes();
            if !first && (alone || round.writers.len() >= most || bytes > GROUP_BYTES) {
                break;
            }
            match request.work.propose(log, &round.planned) {
                Ok(Proposal::Write(at, entry, planned)) => {
                    round.at = at;
                    round.entries.push(entry);
                    round.writers.push(request);
                    match planned {
                        Some(commit) => round.planned.push(commit),
                        None => round.unplanned = true,
                    }
                }
                Ok(Proposal::Answer(done)) => round.answers.push((request, done)),
                Err(refusal) => round.answers.push((request, Err(refusal))),
            }
            if alone {
                break;
            }
        }
        round
    }

    fn frees_space(&self) -> bool {
        self.writers.iter().all(|writer| writer.work.frees_space())
    }

    /// Answers all work of the group with the same error.
    fn fail(&self, error: &StoreError) {
        self.fail_writers(error);
        self.answers.iter().for_each(|(request, _)| request.answer(Err(error.clone())));
    }

    /// Answers the writers with an error; nothing was written. The other work is checked again on the state of the next
    /// attempt.
    fn fail_writers(&self, error: &StoreError) {
        self.writers.iter().for_each(|writer| writer.answer(Err(error.clone())));
    }

    /// Sends the answers that needed no commit, once their state is fresh and durable. `end` is the current end of the
    /// log.
    fn send_answers(answers: Vec<(Arc<QueuedWork>, Result<WorkResult, StoreError>)>, end: &Position) {
        for (request, answer) in answers {
            // The first commit of a command may be in the file that was just written.
            request.answer(answer.map(|done| WorkResult { position: end.clone(), ..done }));
        }
    }
}

impl<F: Fs + 'static> FileStoreInner<F> {
    /// Commits `work` and returns its result.
    pub(super) async fn commit_work(self: &Arc<Self>, work: CommitWork) -> Result<WorkResult, StoreError> {
        self.check_open()?;
        let request = Arc::new(QueuedWork { work, answer: Mutex::new(None), answered: Event::new() });
        self.queue.push(&request);
        {
            let mut answered = pin!(request.answered.listen());
            let mut turn = pin!(self.write_lock.lock());
            // Whichever comes first: another leader has answered this work, or this task gets the lock and leads.
            let turn = poll_fn(|cx| {
                if request.is_answered() || answered.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                turn.as_mut().poll(cx).map(Some)
            })
            .await;
            if let Some(_turn) = turn {
                // The store was closed while the work waited; nothing was written.
                match self.check_open() {
                    Ok(()) => Box::pin(self.lead(&request)).await,
                    Err(closed) => request.answer(Err(closed)),
                }
            }
        }
        let answer = lock(&request.answer).take();
        if answer.as_ref().is_some_and(|answer| answer.as_ref().is_ok_and(|done| done.written)) {
            Box::pin(self.snapshot_when_due()).await;
        }
        answer.unwrap_or_else(|| {
            let why = "the commit ended without a result; repeat it with the same command id".to_owned();
            Err(StoreError::Unavailable { what: format!("the store at {}", self.fs.root()), why })
        })
    }

    /// Commits queued work until `own` is answered. The caller holds the write lock.
    async fn lead(self: &Arc<Self>, own: &Arc<QueuedWork>) {
        self.contention.back_off(&self.fs).await;
        let mut leading = LeaderState { max_writers: GROUP_COMMITS, ..LeaderState::default() };
        // The callers that waited at the last refresh. They may get answers from this state without another refresh,
        // even if other processes keep committing.
        let mut fresh: Option<Vec<Arc<QueuedWork>>> = None;
        while !own.is_answered() {
            let known = fresh.take().map(|fresh| fresh.into_iter().filter(|request| !request.is_answered()).collect());
            let is_fresh = known.is_some();
            let round = CommitGroup::collect(
                &self.log(),
                known.unwrap_or_else(|| self.queue.collect_unanswered()),
                leading.max_writers,
            );
            for error in round.answers.iter().filter_map(|(_, answer)| answer.as_ref().err()) {
                self.record_damage(error.clone());
            }
            if round.writers.is_empty() {
                // Rule 7: an answer without a commit, including an error, needs fresh state.
                match if is_fresh { Ok(false) } else { self.refresh(RefreshPurpose::Reply).await } {
                    Ok(true) => fresh = Some(round.answers.into_iter().map(|(request, _)| request).collect()),
                    Ok(false) => CommitGroup::send_answers(round.answers, &self.log().feed.end()),
                    Err(error) => round.fail(&error),
                }
                continue;
            }
            self.try_commit(round, &mut leading).await;
        }
        if let Some(request) = leading.backoff_request {
            request.remove(&self.fs).await;
        }
    }

    /// Tries to put the commits of the group as the next file.
    async fn try_commit(self: &Arc<Self>, round: CommitGroup, leading: &mut LeaderState) {
        let (head, dirty) = {
            let log = self.log();
            (log.head.clone(), log.dirty)
        };
        let seq = head.seq + 1;
        let made = commit_file::write(seq, &head.hash, &self.identity.store, round.at, &round.entries)
            .and_then(|bytes| Ok((bytes, self.fs.entropy().map_err(self.fs_error_mapper())?)));
        let (bytes, random) = match made {
            Ok(made) => made,
            Err(error) => return round.fail_writers(&error),
        };
        let end = FileEnd::from_bytes(&bytes);
        match self.fs.run(PutCommit { bytes, head, dirty, random }).await {
            Ok(PutOutcome::Linked { hash, backoff_requests: requests }) => {
                let own = leading.backoff_request.as_ref();
                self.contention
                    .observe(requests.into_iter().filter(|name| own.is_none_or(|own| !own.has_name(name))).collect());
                self.finish_linked(round, hash, end);
            }
            Ok(PutOutcome::NumberTaken) => {
                leading.lost_numbers += 1;
                if leading.lost_numbers == LOSSES_BEFORE_REQUEST {
                    leading.backoff_request = BackoffRequest::create(&self.fs).await;
                }
                self.handle_lost_number(&round).await;
                if self.log().head.seq >= seq {
                    leading.unreadable_names = 0;
                } else if leading.unreadable_names < VANISHED_TEMPS {
                    leading.unreadable_names += 1;
                } else {
                    let at = format!("{}/{}", self.fs.root(), commit_path(seq));
                    let why = "the name exists, but it cannot be read as a file; remove it".to_owned();
                    return round.fail_writers(&StoreError::Corrupt { at, why });
                }
                if self.fs.skips_rule(Rule::RecheckExpectations)
                    && !round.writers.iter().any(|writer| writer.is_answered())
                {
                    Box::pin(self.try_commit(round, leading)).await;
                }
            }
            Ok(PutOutcome::TempGone) if leading.vanished_temps < VANISHED_TEMPS => leading.vanished_temps += 1,
            Ok(PutOutcome::TempGone) => round.fail_writers(&StoreError::Unavailable {
                what: format!("the store at {}", self.fs.root()),
                why: "nothing was written; another program keeps deleting its temporary files. Stop it and repeat"
                    .to_owned(),
            }),
            Ok(PutOutcome::Overtaken) => {
                if let Err(error) = self.reload().await {
                    round.fail(&error);
                }
            }
            Ok(PutOutcome::Refused(e)) => self.handle_refusal(&round, &e, leading).await,
            // Each caller queries the outcome. The next refresh reads the commits that exist and syncs them before it
            // replies.
            Ok(PutOutcome::UnknownOutcome(e)) | Err(e) => {
                let mut log = self.log_mut();
                log.dirty = log.dirty.max(DirtyFolders::Commits);
                drop(log);
                for (writer, entry) in round.writers.iter().zip(&round.entries) {
                    let (command, why) = (entry.logged.command.clone(), e.to_string());
                    writer.answer(Err(StoreError::UnknownOutcome { command, why }));
                }
            }
        }
    }

    /// Applies a file that is linked and durable, and sends the answers.
    fn finish_linked(&self, round: CommitGroup, hash: String, end: FileEnd) {
        let CommitGroup { entries, writers, planned, unplanned, answers, .. } = round;
        let planned = (!unplanned).then(|| planned.into_commits());
        let swept: Vec<usize> = entries.iter().map(|entry| entry.logged.ops.len()).collect();
        let positions = self.log_mut().apply_committed(&entries, planned, hash, end);
        self.changed.notify(usize::MAX);
        match positions {
            Ok(positions) => {
                for ((writer, position), swept) in writers.iter().zip(positions).zip(swept) {
                    writer.answer(Ok(WorkResult { swept, ..writer.work.result_at(position) }));
                }
                CommitGroup::send_answers(answers, &self.log().feed.end());
            }
            // It is committed but cannot be replayed here. A caller that queries the outcome reloads the store.
            Err(error) => {
                for (writer, entry) in writers.iter().zip(&entries) {
                    let (command, why) = (entry.logged.command.clone(), error.to_string());
                    writer.answer(Err(StoreError::UnknownOutcome { command, why }));
                }
            }
        }
    }

    /// Rule 6: another commit has the number. Applies it; all work of the group is then checked again, with a new temp.
    async fn handle_lost_number(&self, round: &CommitGroup) {
        let moved = match self.refresh(RefreshPurpose::Commit).await {
            // If the winning commit is missing already, a snapshot has replaced it.
            Ok(false) => self.reload().await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = moved {
            round.fail(&error);
        }
    }

    /// Handles a failure that wrote nothing. On a full disk each commit is tried alone, and one that only removes data
    /// may release the reserve.
    async fn handle_refusal(&self, round: &CommitGroup, e: &FsError, leading: &mut LeaderState) {
        if e.reason == Reason::Full {
            if round.frees_space() && !leading.spent_reserve && compaction::release_reserve(&self.fs).await {
                leading.spent_reserve = true;
                return;
            }
            if round.writers.len() > 1 {
                leading.max_writers = 1;
                return;
            }
        }
        round.fail_writers(&map_write_error(e, &self.fs.root()));
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
    spent_reserve: bool,
    backoff_request: Option<BackoffRequest>,
}
