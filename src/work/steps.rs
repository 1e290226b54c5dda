//! What a worker begins next, after each thing that happens to it.

use super::idle::{Idle, Rested};
use super::pool::race;
use super::serve::{Ending, Happened, Running, Serving, Until};
use super::{Told, Worker};
use crate::code::Code;
use crate::engine::{Error, Pace, Work};
use crate::time::Millis;

/// Most claims under way at once: what they cost beside each other is little, and the store groups them.
const CLAIMS: usize = 8;

/// Kinds in one claim.
const KINDS: usize = 16;

/// Executions that are woken in one pass.
const DUE: u32 = 16;

/// Longest time between two looks at what is due: others may have set a timer.
const DUE_LOOK: Millis = Millis::seconds(1);

/// Between two times that expired rows are removed.
const SWEEP: Millis = Millis::minutes(10);

/// Several who wait for the same moment do not all come at once.
const SPREAD: Millis = Millis(50);

impl<'a> Serving<'a> {
    /// Claims as much as there is room for, a few at once where there is much.
    pub fn claim(&mut self) {
        if self.ending != Ending::Not || self.idle.is_none() {
            return;
        }
        if self.worker.served.is_empty() {
            return self.rest();
        }
        while self.claims < self.most_claims {
            let kinds = self.next_kinds();
            if kinds.is_empty() {
                return;
            }
            self.claims += 1;
            let worker = self.worker;
            self.pool.push(Box::pin(async move {
                let claimed = worker.cvm.claim(&kinds, &worker.owner, worker.lease).await;
                Happened::Claimed(claimed.map(|work| work.map(Box::new)))
            }));
        }
    }

    /// The kinds of which one more may run, whatever the claims under way bring.
    fn kinds_with_room(&self) -> Vec<String> {
        let served = self.worker.served.iter().zip(&self.busy);
        let room = served.filter(|(served, busy)| **busy + self.claims < served.concurrency);
        room.map(|(served, _)| served.kind.clone()).collect()
    }

    /// As many of them as a claim takes, by turns.
    fn next_kinds(&mut self) -> Vec<String> {
        let mut kinds = self.kinds_with_room();
        if kinds.len() > KINDS {
            self.turn += KINDS;
            let first = self.turn % kinds.len();
            kinds.rotate_left(first);
            kinds.truncate(KINDS);
        }
        kinds
    }

    pub fn claimed(&mut self, claimed: Result<Option<Box<Work>>, Error>) -> Result<(), Error> {
        self.claims = self.claims.saturating_sub(1);
        match claimed {
            Ok(Some(work)) if self.ending != Ending::Not => self.release(work),
            Ok(Some(work)) => {
                self.failures = 0;
                self.most_claims = (self.most_claims * 2).min(CLAIMS);
                if let Some(idle) = &mut self.idle {
                    idle.found();
                }
                self.attend(work);
                self.claim();
            }
            Ok(None) => {
                self.failures = 0;
                self.most_claims = 1;
                if self.claims == 0 {
                    self.rest();
                }
            }
            Err(trouble) => {
                self.most_claims = 1;
                self.trouble(trouble)?;
                if self.claims == 0 {
                    self.rest_from_trouble();
                }
            }
        }
        Ok(())
    }

    fn attend(&mut self, work: Box<Work>) {
        let kind = |served: &super::Served| served.kind == work.call.kind;
        let (worker, Some(at)) = (self.worker, self.worker.served.iter().position(kind)) else {
            return self.release(work);
        };
        let call = work.claimed.call.clone();
        let (handler, taken) = (worker.served[at].handler.clone(), work.clone());
        let attended = call.clone();
        let place = self.pool.push(Box::pin(async move {
            let ended = worker.attend(&taken, handler).await;
            Happened::Attended { call: attended, served: at, ended }
        }));
        self.busy[at] += 1;
        self.running.insert(call, Running { work, place });
    }

    pub fn attended(&mut self, call: &str, served: usize, ended: Result<(), Error>) -> Result<(), Error> {
        self.running.remove(call);
        self.busy[served] = self.busy[served].saturating_sub(1);
        ended?;
        // Its execution has run on, and may ask the next question.
        self.look();
        Ok(())
    }

    /// Looks at once whether anything is open.
    fn look(&mut self) {
        match self.idle {
            Some(_) => self.claim(),
            None => self.nudge.set(),
        }
    }

    /// Waits until another look may find something.
    fn rest(&mut self) {
        if self.ending != Ending::Not {
            return;
        }
        let Some(mut idle) = self.idle.take() else { return };
        let (worker, nudge) = (self.worker, self.nudge.clone());
        let alone = self.is_drained();
        let kinds = self.kinds_with_room();
        self.pool.push(Box::pin(async move {
            let rested = idle.rest(worker, &kinds, alone, &nudge).await;
            Happened::Rested(idle, rested)
        }));
    }

    fn rest_from_trouble(&mut self) {
        let Some(idle) = self.idle.take() else { return };
        let (worker, nudge, failures) = (self.worker, self.ends.clone(), self.failures);
        self.pool.push(Box::pin(async move {
            race(worker.back_off(failures), nudge.wait()).await;
            Happened::Rested(idle, Ok(Rested::Look))
        }));
    }

    /// Whether it is to end when nothing is open, and nothing of its own runs that may ask more.
    fn is_drained(&self) -> bool {
        self.until == Until::Drained && self.running.is_empty() && self.claims == 0 && self.due.is_none()
    }

    pub fn rested(&mut self, idle: Idle, rested: Result<Rested, Error>) -> Result<(), Error> {
        self.nudge.take();
        self.idle = Some(idle);
        match rested {
            Ok(Rested::Nothing) if self.is_drained() => self.stop(Ending::Soon),
            Ok(_) => self.claim(),
            Err(trouble) => {
                self.trouble(trouble)?;
                self.rest_from_trouble();
            }
        }
        Ok(())
    }

    /// Does what is due.
    pub fn begin_due(&mut self) {
        if self.ending != Ending::Not {
            return;
        }
        let worker = self.worker;
        let now = worker.host().now();
        let sweeps = self.swept.is_none_or(|swept| now.since(swept) >= SWEEP);
        if sweeps {
            self.swept = Some(now);
        }
        self.due = Some(self.pool.push(Box::pin(async move { Happened::Due(worker.do_due(sweeps).await) })));
    }

    pub fn due_done(&mut self, done: Result<Millis, Error>) -> Result<(), Error> {
        self.due = None;
        let wait = match done {
            Ok(Millis(0)) => {
                self.begin_due();
                // What was woken may ask.
                self.look();
                return Ok(());
            }
            Ok(wait) => wait,
            Err(trouble) => {
                self.trouble(trouble)?;
                DUE_LOOK
            }
        };
        if self.ending == Ending::Not {
            let (worker, ends) = (self.worker, self.ends.clone());
            self.pool.push(Box::pin(async move {
                race(worker.host().sleep(wait), ends.wait()).await;
                Happened::LookForDue
            }));
        }
        if self.until == Until::Drained {
            self.look();
        }
        Ok(())
    }

    /// Claims nothing more.
    pub fn stop(&mut self, ending: Ending) {
        self.ending = ending;
        self.ends.set();
        self.nudge.set();
    }

    /// Ends what runs where it stands.
    pub fn abandon(&mut self) {
        self.stop(Ending::Now);
        if let Some(due) = self.due.take() {
            self.pool.remove(due);
        }
        for (_, Running { work, place }) in std::mem::take(&mut self.running) {
            self.pool.remove(place);
            self.release(work);
        }
    }

    /// Gives a call back, as far as it is still its own.
    fn release(&mut self, work: Box<Work>) {
        let worker = self.worker;
        self.pool.push(Box::pin(async move {
            if worker.cvm.release(&work.claimed).await.is_ok() {
                worker.tell(&Told::Released(&work));
            }
            Happened::Released
        }));
    }

    /// Whether the worker can go on.
    fn trouble(&mut self, trouble: Error) -> Result<(), Error> {
        if self.worker.is_final(&trouble) {
            return Err(trouble);
        }
        self.failures += 1;
        self.worker.tell(&Told::Trouble(&trouble));
        Ok(())
    }
}

impl Worker {
    /// Does what is due; when to look again, 0: at once.
    async fn do_due(&self, sweeps: bool) -> Result<Millis, Error> {
        let until = self.until_due().await?;
        if until > Millis(0) && !sweeps {
            return Ok(until);
        }
        if until <= Millis(0) {
            self.host().sleep(self.up_to(SPREAD)).await;
        }
        let due = self.cvm.run_due(DUE, Pace::Stop).await?;
        if !due.is_nothing() {
            self.tell(&Told::Due(&due));
        }
        // What cannot be done stays due: it is tried again, but not without a pause.
        if due.woken > 0 || due.deleted > 0 { Ok(Millis(0)) } else { Ok(self.until_due().await?.max(SPREAD)) }
    }

    /// How long nothing is due, at the most until the next look.
    async fn until_due(&self) -> Result<Millis, Error> {
        let longest = self.about(DUE_LOOK);
        Ok(match self.cvm.next_due().await? {
            Some(at) => at.since(self.host().now()).clamp(Millis(0), longest),
            None => longest,
        })
    }

    /// Whether waiting does not help.
    fn is_final(&self, trouble: &Error) -> bool {
        // A claim that is refused otherwise met a call that nobody can claim: the others may still be answered.
        let lasting = matches!(trouble.code, Code::Closed | Code::ReadOnly | Code::NewerVersion | Code::Unsupported);
        lasting || self.cvm.engine().store().health().is_some()
    }
}
