//! Committing: rules 4 to 6, and group commit. Whoever has the turn leads: what all those who wait want to commit is planned one on
//! top of the other and goes out as one file. Nothing is answered before it, and all that it rests on, is safe.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use event_listener::Event;

use super::commit_file::{self, Entry};
use super::courtesy::{PATIENCE, Sign};
use super::faults::refused;
use super::format::commit_path;
use super::fs::{Fs, FsError, Reason, Rule};
use super::load::FileEnd;
use super::log::{Log, versions};
use super::reserve;
use super::steps::{Dirty, Put, PutCommit};
use super::{Inner, Next};
use crate::schema::Catalog;
use crate::store::tables::{Commit, Pending, Planned};
use crate::store::{Batch, Error, Op, Position};
use crate::time::Timestamp;
use crate::value::Json;

/// Most commits in one file.
const GROUP_COMMITS: usize = 1_024;

/// Bytes of batches after which no more are added to a file.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How often a temp may vanish under one commit. Each time is a snapshot taken by somebody; more is somebody deleting files.
const VANISHED_TEMPS: usize = 64;

/// Something to commit.
pub(super) enum Work {
    Batch {
        batch: Batch,
        /// What [`Tables::check`](crate::store::tables::Tables::check) says of it: judged before its turn, so that nobody waits for that.
        check: Result<usize, Error>,
    },
    Sweep {
        collection: String,
        now: Timestamp,
        limit: usize,
    },
    /// The versions of a catalog's collections, where the store does not know them.
    Versions(Catalog),
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub position: Position,
    pub result: Json,
    pub replayed: bool,
    pub swept: usize,
    /// Something was written for it.
    pub written: bool,
}

/// Somebody who waits for the end of their work.
pub(super) struct Request {
    work: Work,
    answer: Mutex<Option<Result<Done, Error>>>,
    answered: Event,
}

/// Those who wait, in the order in which they came. They stay until they are answered or have gone: a leader who goes away leaves nothing undone
/// that the next one would not find here.
#[derive(Default)]
pub(super) struct Queue(Mutex<VecDeque<Weak<Request>>>);

/// What a piece of work leads to.
enum Proposed {
    Write(Timestamp, Entry, Option<Commit>),
    Tell(Result<Done, Error>),
}

/// One attempt: what goes into a file, and what is told once all that it rests on is safe.
#[derive(Default)]
struct Round {
    at: Timestamp,
    entries: Vec<Entry>,
    writers: Vec<Arc<Request>>,
    planned: Pending,
    /// The one entry was not planned: its outcome is found by replaying it.
    unplanned: bool,
    told: Vec<(Arc<Request>, Result<Done, Error>)>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is changed in one step each, so a panic elsewhere says nothing about it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Request {
    fn is_answered(&self) -> bool {
        held(&self.answer).is_some()
    }

    fn answer(&self, answer: Result<Done, Error>) {
        *held(&self.answer) = Some(answer);
        self.answered.notify(usize::MAX);
    }
}

impl Queue {
    fn push(&self, request: &Arc<Request>) {
        held(&self.0).push_back(Arc::downgrade(request));
    }

    /// Those who still wait.
    fn waiting(&self) -> Vec<Arc<Request>> {
        let mut queue = held(&self.0);
        let waiting: Vec<Arc<Request>> =
            queue.iter().filter_map(Weak::upgrade).filter(|request| !request.is_answered()).collect();
        *queue = waiting.iter().map(Arc::downgrade).collect();
        waiting
    }
}

impl Work {
    fn propose(&self, log: &Log, pending: &Pending) -> Result<Proposed, Error> {
        let write = |at, entry, planned| log.writable().map(|()| Proposed::Write(at, entry, planned));
        let tell = |result, replayed| {
            Ok(Proposed::Tell(Ok(Done { position: log.feed.end(), result, replayed, swept: 0, written: false })))
        };
        match self {
            Work::Batch { batch, check } => {
                match log.tables.plan_checked(pending, batch, || check.clone().map(drop))? {
                    Planned::Replay(result) => tell(result, true),
                    Planned::Commit(commit) => write(batch.at, Entry::of_batch(batch, &commit), Some(commit)),
                }
            }
            Work::Sweep { collection, now, limit } => {
                let commit = log.tables.plan_sweep(collection, *now, *limit)?;
                if commit.changes.is_empty() {
                    return tell(Json::Null, false);
                }
                write(*now, Entry::of_sweep(&commit), Some(commit))
            }
            Work::Versions(catalog) => match versions(log, catalog)? {
                None => tell(Json::Null, false),
                Some(entry) => write(Timestamp::default(), entry, None),
            },
        }
    }

    /// What is no batch looks at the tables alone, so nothing may be planned before it in one file.
    fn goes_alone(&self) -> bool {
        !matches!(self, Work::Batch { .. })
    }

    /// Whether it only takes things away, so that the reserve may be spent on it.
    fn makes_room(&self) -> bool {
        match self {
            Work::Batch { batch, .. } => {
                let deletes = batch.writes.iter().any(|write| matches!(write.op, Op::Delete));
                deletes && !batch.writes.iter().any(|write| matches!(write.op, Op::Put { .. }))
            }
            Work::Sweep { .. } => true,
            Work::Versions(_) => false,
        }
    }

    fn bytes(&self) -> usize {
        if let Work::Batch { check: Ok(bytes), .. } = self { *bytes } else { 0 }
    }

    /// What a writer is told when it is committed.
    fn done(&self, position: Position) -> Done {
        let (result, swept) = match self {
            Work::Batch { batch, .. } => (batch.result.clone(), 0),
            Work::Sweep { .. } | Work::Versions(_) => (Json::Null, 0),
        };
        Done { position, result, replayed: false, swept, written: true }
    }
}

impl Round {
    fn gather(log: &Log, waiting: Vec<Arc<Request>>, most: usize) -> Self {
        let mut round = Self::default();
        let mut bytes = 0;
        for request in waiting {
            let alone = request.work.goes_alone();
            let first = round.writers.is_empty() && round.told.is_empty();
            bytes += request.work.bytes();
            if !first && (alone || round.writers.len() >= most || bytes > GROUP_BYTES) {
                break;
            }
            match request.work.propose(log, &round.planned) {
                Ok(Proposed::Write(at, entry, planned)) => {
                    round.at = at;
                    round.entries.push(entry);
                    round.writers.push(request);
                    match planned {
                        Some(commit) => round.planned.push(commit),
                        None => round.unplanned = true,
                    }
                }
                Ok(Proposed::Tell(done)) => round.told.push((request, done)),
                Err(refusal) => round.told.push((request, Err(refusal))),
            }
            if alone {
                break;
            }
        }
        round
    }

    fn makes_room(&self) -> bool {
        self.writers.iter().all(|writer| writer.work.makes_room())
    }

    /// Everyone of the round gets the same error.
    fn fail(&self, error: &Error) {
        self.fail_writers(error);
        self.told.iter().for_each(|(request, _)| request.answer(Err(error.clone())));
    }

    /// Nothing was written. The others are still judged, on what there is then.
    fn fail_writers(&self, error: &Error) {
        self.writers.iter().for_each(|writer| writer.answer(Err(error.clone())));
    }

    /// Tells those who wrote nothing, now that what it rests on is fresh and safe. `end`: the end of the log by now.
    fn tell(told: Vec<(Arc<Request>, Result<Done, Error>)>, end: &Position) {
        for (request, answer) in told {
            // The first commit of a command may stand in the very file that was written now.
            request.answer(answer.map(|done| Done { position: end.clone(), ..done }));
        }
    }
}

impl<F: Fs + 'static> Inner<F> {
    /// Commits `work` and tells what became of it.
    pub(super) async fn commit_work(self: &Arc<Self>, work: Work) -> Result<Done, Error> {
        self.usable()?;
        let request = Arc::new(Request { work, answer: Mutex::new(None), answered: Event::new() });
        self.queue.push(&request);
        {
            let mut answered = pin!(request.answered.listen());
            let mut turn = pin!(self.turn.lock());
            // Whichever comes first: somebody else led and took this along, or it is on us.
            let turn = poll_fn(|cx| {
                if request.is_answered() || answered.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                turn.as_mut().poll(cx).map(Some)
            })
            .await;
            if let Some(_turn) = turn {
                // Closed while it waited: nothing of it was written.
                match self.usable() {
                    Ok(()) => Box::pin(self.lead(&request)).await,
                    Err(closed) => request.answer(Err(closed)),
                }
            }
        }
        let answer = held(&request.answer).take();
        if answer.as_ref().is_some_and(|answer| answer.as_ref().is_ok_and(|done| done.written)) {
            Box::pin(self.snapshot_when_due()).await;
        }
        answer.unwrap_or_else(|| {
            let why = "the commit ended without an answer; repeat it under the same command id".to_owned();
            Err(Error::Unavailable { what: format!("the store at {}", self.fs.root()), why })
        })
    }

    /// Commits what waits, until `own` has its answer. Needs the turn.
    async fn lead(self: &Arc<Self>, own: &Arc<Request>) {
        self.courtesy.give_way(&self.fs).await;
        let mut leading = Leading { most: GROUP_COMMITS, ..Leading::default() };
        // Who was there when the state was last made fresh: they may be told what it says without looking again, however busy others are.
        let mut fresh: Option<Vec<Arc<Request>>> = None;
        while !own.is_answered() {
            let known = fresh.take().map(|fresh| fresh.into_iter().filter(|request| !request.is_answered()).collect());
            let is_fresh = known.is_some();
            let round = Round::gather(&self.log(), known.unwrap_or_else(|| self.queue.waiting()), leading.most);
            for error in round.told.iter().filter_map(|(_, told)| told.as_ref().err()) {
                self.seen(error.clone());
            }
            if round.writers.is_empty() {
                // Rule 7: what leads to no commit, errors included, is told on fresh knowledge only.
                match if is_fresh { Ok(false) } else { self.refresh(Next::Reply).await } {
                    Ok(true) => fresh = Some(round.told.into_iter().map(|(request, _)| request).collect()),
                    Ok(false) => Round::tell(round.told, &self.log().feed.end()),
                    Err(error) => round.fail(&error),
                }
                continue;
            }
            self.attempt(round, &mut leading).await;
        }
        if let Some(sign) = leading.sign {
            sign.take_down(&self.fs).await;
        }
    }

    /// Tries to put what the round writes as the next file.
    async fn attempt(self: &Arc<Self>, round: Round, leading: &mut Leading) {
        let (head, dirty) = {
            let log = self.log();
            (log.head.clone(), log.dirty)
        };
        let seq = head.seq + 1;
        let made = commit_file::write(seq, &head.hash, &self.identity.store, round.at, &round.entries)
            .and_then(|bytes| Ok((bytes, self.fs.entropy().map_err(self.io())?)));
        let (bytes, random) = match made {
            Ok(made) => made,
            Err(error) => return round.fail_writers(&error),
        };
        let end = FileEnd::of(&bytes);
        match self.fs.run(PutCommit { bytes, head, dirty, random }).await {
            Ok(Put::Linked { hash, signs }) => {
                let own = leading.sign.as_ref();
                self.courtesy.seen(signs.into_iter().filter(|sign| own.is_none_or(|own| !own.is(sign))).collect());
                self.linked(round, hash, end);
            }
            Ok(Put::Taken) => {
                leading.lost += 1;
                if leading.lost == PATIENCE {
                    leading.sign = Sign::put_up(&self.fs).await;
                }
                self.lost(&round).await;
                if self.log().head.seq >= seq {
                    leading.phantoms = 0;
                } else if leading.phantoms < VANISHED_TEMPS {
                    leading.phantoms += 1;
                } else {
                    let at = format!("{}/{}", self.fs.root(), commit_path(seq));
                    let why = "something has that name and cannot be read as a file; remove it".to_owned();
                    return round.fail_writers(&Error::Corrupt { at, why });
                }
                if self.fs.skips(Rule::JudgeAgain) && !round.writers.iter().any(|writer| writer.is_answered()) {
                    Box::pin(self.attempt(round, leading)).await;
                }
            }
            Ok(Put::TempGone) if leading.vanished < VANISHED_TEMPS => leading.vanished += 1,
            Ok(Put::TempGone) => round.fail_writers(&Error::Unavailable {
                what: format!("the store at {}", self.fs.root()),
                why: "files being written keep being deleted by another program; nothing was written".to_owned(),
            }),
            Ok(Put::Overtaken) => {
                if let Err(error) = self.reload().await {
                    round.fail(&error);
                }
            }
            Ok(Put::Refused(e)) => self.refused(&round, &e, leading).await,
            // Each caller asks for the outcome; the next catching up reads what there is and syncs it before it replies.
            Ok(Put::Unsure(e)) | Err(e) => {
                let mut log = self.log_mut();
                log.dirty = log.dirty.max(Dirty::Commits);
                drop(log);
                for (writer, entry) in round.writers.iter().zip(&round.entries) {
                    let (command, why) = (entry.logged.command.clone(), e.to_string());
                    writer.answer(Err(Error::Unknown { command, why }));
                }
            }
        }
    }

    /// The file is there and safe.
    fn linked(&self, round: Round, hash: String, end: FileEnd) {
        let Round { entries, writers, planned, unplanned, told, .. } = round;
        let planned = (!unplanned).then(|| planned.into_commits());
        let swept: Vec<usize> = entries.iter().map(|entry| entry.logged.ops.len()).collect();
        let positions = self.log_mut().committed(&entries, planned, hash, end);
        self.changed.notify(usize::MAX);
        match positions {
            Ok(positions) => {
                for ((writer, position), swept) in writers.iter().zip(positions).zip(swept) {
                    writer.answer(Ok(Done { swept, ..writer.work.done(position) }));
                }
                Round::tell(told, &self.log().feed.end());
            }
            // It is committed, and yet it cannot be replayed here: whoever asks for the outcome reads the store anew.
            Err(error) => {
                for (writer, entry) in writers.iter().zip(&entries) {
                    let (command, why) = (entry.logged.command.clone(), error.to_string());
                    writer.answer(Err(Error::Unknown { command, why }));
                }
            }
        }
    }

    /// Rule 6: another has the number. Apply it; everybody is judged again, with a new temp.
    async fn lost(&self, round: &Round) {
        let moved = match self.refresh(Next::Commit).await {
            // A winner that is gone already was removed by a snapshot.
            Ok(false) => self.reload().await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = moved {
            round.fail(&error);
        }
    }

    /// Nothing was written. Where the disk is full each is tried by itself, and what only takes away may spend the reserve.
    async fn refused(&self, round: &Round, e: &FsError, leading: &mut Leading) {
        if e.reason == Reason::Full {
            if round.makes_room() && !leading.spent_reserve && reserve::spend(&self.fs).await {
                leading.spent_reserve = true;
                return;
            }
            if round.writers.len() > 1 {
                leading.most = 1;
                return;
            }
        }
        round.fail_writers(&refused(e, &self.fs.root()));
    }
}

/// What a leader has been through.
#[derive(Default)]
struct Leading {
    most: usize,
    vanished: usize,
    lost: u32,
    /// How often a name was taken by something that could not be read.
    phantoms: usize,
    spent_reserve: bool,
    sign: Option<Sign>,
}
