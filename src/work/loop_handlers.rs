//! The handlers of the loop's events: what a worker starts after each.

use super::idle_state::{IdleOutcome, IdleState};
use super::pool::race;
use super::worker_loop::{LoopEvent, RunningCall, ShutdownState, StopCondition, WorkerLoop};
use super::{Worker, WorkerEvent};
use crate::engine::{Error, RunLimit, Work};
use crate::error_code::ErrorCode;
use crate::time::Millis;

/// Maximum number of claims in progress. Concurrent claims cost little more than one, because the store groups them.
const MAX_CLAIMS: usize = 8;

/// Maximum number of kinds per claim.
const KINDS_PER_CLAIM: usize = 16;

/// Maximum number of due executions per pass.
const DUE_PER_PASS: u32 = 16;

/// Maximum time between two checks for due work: other processes may have set a timer.
const DUE_CHECK_INTERVAL: Millis = Millis::seconds(1);

/// Time between two removals of expired rows.
const SWEEP_INTERVAL: Millis = Millis::minutes(10);

/// Jitter for workers that wait for the same time.
const DUE_JITTER: Millis = Millis(50);

impl<'a> WorkerLoop<'a> {
    /// Claims calls up to the free capacity, several at once while claims succeed.
    pub fn begin_claims(&mut self) {
        if self.shutdown != ShutdownState::Serving || self.idle.is_none() {
            return;
        }
        if self.worker.served.is_empty() {
            return self.begin_wait();
        }
        while self.claims < self.max_claims {
            let kinds = self.next_kinds();
            if kinds.is_empty() {
                return;
            }
            self.claims += 1;
            let worker = self.worker;
            self.pool.push(Box::pin(async move {
                let claimed = worker.cvm.claim(&kinds, &worker.owner, worker.lease).await;
                LoopEvent::Claimed(claimed.map(|work| work.map(Box::new)))
            }));
        }
    }

    /// The kinds of which one more call may run, whatever the claims in progress return.
    fn kinds_with_room(&self) -> Vec<String> {
        let served = self.worker.served.iter().zip(&self.busy);
        let room = served.filter(|(served, busy)| **busy + self.claims < served.concurrency);
        room.map(|(served, _)| served.kind.clone()).collect()
    }

    /// As many of these kinds as one claim takes, in rotation.
    fn next_kinds(&mut self) -> Vec<String> {
        let mut kinds = self.kinds_with_room();
        if kinds.len() > KINDS_PER_CLAIM {
            self.kind_offset += KINDS_PER_CLAIM;
            let first = self.kind_offset % kinds.len();
            kinds.rotate_left(first);
            kinds.truncate(KINDS_PER_CLAIM);
        }
        kinds
    }

    pub fn on_claim(&mut self, claimed: Result<Option<Box<Work>>, Error>) -> Result<(), Error> {
        self.claims = self.claims.saturating_sub(1);
        match claimed {
            Ok(Some(work)) if self.shutdown != ShutdownState::Serving => self.release(work),
            Ok(Some(work)) => {
                self.failures = 0;
                self.max_claims = (self.max_claims * 2).min(MAX_CLAIMS);
                if let Some(idle) = &mut self.idle {
                    idle.reset_delay();
                }
                self.begin_call(work);
                self.begin_claims();
            }
            Ok(None) => {
                self.failures = 0;
                self.max_claims = 1;
                if self.claims == 0 {
                    self.begin_wait();
                }
            }
            Err(trouble) => {
                self.max_claims = 1;
                self.record_error(trouble)?;
                if self.claims == 0 {
                    self.begin_backoff();
                }
            }
        }
        Ok(())
    }

    fn begin_call(&mut self, work: Box<Work>) {
        let kind = |served: &super::ServedKind| served.kind == work.call.kind;
        let (worker, Some(at)) = (self.worker, self.worker.served.iter().position(kind)) else {
            return self.release(work);
        };
        let call = work.claimed.call.clone();
        let (handler, taken) = (worker.served[at].handler.clone(), work.clone());
        let attended = call.clone();
        let slot = self.pool.push(Box::pin(async move {
            let ended = worker.process_call(&taken, handler).await;
            LoopEvent::CallProcessed { call: attended, served: at, result: ended }
        }));
        self.busy[at] += 1;
        self.running.insert(call, RunningCall { work, slot });
    }

    pub fn on_call_processed(&mut self, call: &str, served: usize, ended: Result<(), Error>) -> Result<(), Error> {
        self.running.remove(call);
        self.busy[served] = self.busy[served].saturating_sub(1);
        ended?;
        // Its execution has run on, and may have made another call.
        self.check_for_work();
        Ok(())
    }

    /// Checks at once whether a call is open.
    fn check_for_work(&mut self) {
        match self.idle {
            Some(_) => self.begin_claims(),
            None => self.wake_up.set(),
        }
    }

    /// Waits until another claim may succeed.
    fn begin_wait(&mut self) {
        if self.shutdown != ShutdownState::Serving {
            return;
        }
        let Some(mut idle) = self.idle.take() else { return };
        let (worker, nudge) = (self.worker, self.wake_up.clone());
        let alone = self.is_drained();
        let kinds = self.kinds_with_room();
        self.pool.push(Box::pin(async move {
            let rested = idle.wait_for_work(worker, &kinds, alone, &nudge).await;
            LoopEvent::WaitEnded(idle, rested)
        }));
    }

    fn begin_backoff(&mut self) {
        let Some(idle) = self.idle.take() else { return };
        let (worker, nudge, failures) = (self.worker, self.stop_signal.clone(), self.failures);
        self.pool.push(Box::pin(async move {
            race(worker.back_off(failures), nudge.wait()).await;
            LoopEvent::WaitEnded(idle, Ok(IdleOutcome::MayFindWork))
        }));
    }

    /// Whether it ends when no call is open, and nothing that it runs can make one.
    fn is_drained(&self) -> bool {
        self.until == StopCondition::Drained && self.running.is_empty() && self.claims == 0 && self.due.is_none()
    }

    pub fn on_wait_ended(&mut self, idle: IdleState, rested: Result<IdleOutcome, Error>) -> Result<(), Error> {
        self.wake_up.reset();
        self.idle = Some(idle);
        match rested {
            Ok(IdleOutcome::NothingOpen) if self.is_drained() => self.stop(ShutdownState::Draining),
            Ok(_) => self.begin_claims(),
            Err(trouble) => {
                self.record_error(trouble)?;
                self.begin_backoff();
            }
        }
        Ok(())
    }

    /// Runs due work.
    pub fn begin_due(&mut self) {
        if self.shutdown != ShutdownState::Serving {
            return;
        }
        let worker = self.worker;
        let now = worker.host().now();
        let sweeps = self.last_sweep.is_none_or(|swept| now.since(swept) >= SWEEP_INTERVAL);
        if sweeps {
            self.last_sweep = Some(now);
        }
        self.due = Some(self.pool.push(Box::pin(async move { LoopEvent::Due(worker.run_due(sweeps).await) })));
    }

    pub fn on_due_done(&mut self, done: Result<Millis, Error>) -> Result<(), Error> {
        self.due = None;
        let wait = match done {
            Ok(Millis(0)) => {
                self.begin_due();
                // A resumed execution may have made a call.
                self.check_for_work();
                return Ok(());
            }
            Ok(wait) => wait,
            Err(trouble) => {
                self.record_error(trouble)?;
                DUE_CHECK_INTERVAL
            }
        };
        if self.shutdown == ShutdownState::Serving {
            let (worker, ends) = (self.worker, self.stop_signal.clone());
            self.pool.push(Box::pin(async move {
                race(worker.host().sleep(wait), ends.wait()).await;
                LoopEvent::CheckDue
            }));
        }
        if self.until == StopCondition::Drained {
            self.check_for_work();
        }
        Ok(())
    }

    /// Claims nothing more.
    pub fn stop(&mut self, ending: ShutdownState) {
        self.shutdown = ending;
        self.stop_signal.set();
        self.wake_up.set();
    }

    /// Drops everything that runs.
    pub fn abandon(&mut self) {
        self.stop(ShutdownState::Aborting);
        if let Some(due) = self.due.take() {
            self.pool.remove(due);
        }
        for (_, RunningCall { work, slot }) in std::mem::take(&mut self.running) {
            self.pool.remove(slot);
            self.release(work);
        }
    }

    /// Releases a call, if it still belongs to this worker.
    fn release(&mut self, work: Box<Work>) {
        let worker = self.worker;
        self.pool.push(Box::pin(async move {
            if worker.cvm.release(&work.claimed).await.is_ok() {
                worker.emit(&WorkerEvent::Released(&work));
            }
            LoopEvent::Released
        }));
    }

    /// Records an error. Fails if the worker cannot continue.
    fn record_error(&mut self, trouble: Error) -> Result<(), Error> {
        if self.worker.is_final(&trouble) {
            return Err(trouble);
        }
        self.failures += 1;
        self.worker.emit(&WorkerEvent::Trouble(&trouble));
        Ok(())
    }
}

impl Worker {
    /// Runs due work. Returns the time until the next check; 0: at once.
    async fn run_due(&self, sweeps: bool) -> Result<Millis, Error> {
        let until = self.time_until_due().await?;
        if until > Millis(0) && !sweeps {
            return Ok(until);
        }
        if until <= Millis(0) {
            self.host().sleep(self.random_up_to(DUE_JITTER)).await;
        }
        let due = self.cvm.run_due(DUE_PER_PASS, RunLimit::Stop).await?;
        if !due.is_empty() {
            self.emit(&WorkerEvent::Due(&due));
        }
        // Due work that failed remains due: it is retried, but after a pause.
        if due.woken > 0 || due.deleted > 0 { Ok(Millis(0)) } else { Ok(self.time_until_due().await?.max(DUE_JITTER)) }
    }

    /// The time until something is due, at most until the next check.
    async fn time_until_due(&self) -> Result<Millis, Error> {
        let longest = self.with_jitter(DUE_CHECK_INTERVAL);
        Ok(match self.cvm.next_due().await? {
            Some(at) => at.since(self.host().now()).clamp(Millis(0), longest),
            None => longest,
        })
    }

    /// Whether the error is permanent.
    fn is_final(&self, trouble: &Error) -> bool {
        // A claim that fails otherwise met a call that cannot be claimed. Other calls may still be answered.
        let lasting = matches!(
            trouble.code,
            ErrorCode::Closed | ErrorCode::ReadOnly | ErrorCode::NewerVersion | ErrorCode::Unsupported
        );
        lasting || self.cvm.engine().store().read_only_reason().is_some()
    }
}
