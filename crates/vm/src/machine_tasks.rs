//! The state of tasks in a machine: the queue of jobs, rejected promises without a reaction, open calls, and whether
//! the program itself awaits or has ended. A program without promises has the default state, which its snapshots omit.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::entry::Entry;
use super::entry_decoder::{self, ReadResult};
use super::entry_encoder::{EntryEncoder, put};
use super::machine::Machine;
use super::open_call::CallRecord;
use super::open_call_table::OpenCalls;
use super::promise::Reaction;
use super::value::{HeapRef, Value};

/// The reason why a machine of an earlier layout is not restored: its calls were not in the list, or had no records.
pub(super) const EARLIER_VERSION: &str = "an earlier version of runstate has saved it while a call was open";

/// The state of the tasks of a machine.
#[derive(Clone, Default)]
pub(super) struct MachineTasks {
    pub(super) program: ProgramTask,
    /// The next job. Jobs are reactions, linked in order. ECMA-262 §9.5 Jobs and Host Operations to Enqueue Jobs.
    pub(super) first_job: HeapRef,
    pub(super) last_job: HeapRef,
    /// Promises that were rejected without a reaction since the queue was empty, linked in order.
    pub(super) first_rejection: HeapRef,
    pub(super) last_rejection: HeapRef,
    pub(super) open_calls: OpenCalls,
    /// Timers of `setTimeout` that have ended, by number, with the promises that call their functions.
    pub(super) due_timeouts: Vec<(u64, HeapRef)>,
    /// The records of calls that were cancelled. The host takes them after each run, so they are not saved.
    pub(super) cancelled: Vec<Arc<CallRecord>>,
}

/// The task of the global frame.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum ProgramTask {
    /// The global frame runs.
    #[default]
    Running,
    /// It awaits this promise. Other frames are those of a job.
    Awaiting(HeapRef),
    /// It has ended with the value of this promise. Other frames are those of a job.
    Ended(HeapRef),
}

impl MachineTasks {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        if let ProgramTask::Awaiting(promise) | ProgramTask::Ended(promise) = self.program {
            visit(&Value::Ref(promise));
        }
        for at in [self.first_job, self.last_job, self.first_rejection, self.last_rejection] {
            visit(&Value::Ref(at));
        }
        for (_, promise) in &self.due_timeouts {
            visit(&Value::Ref(*promise));
        }
        self.open_calls.visit_values(visit);
    }

    /// Whether no task other than the running one has anything to do.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_jobs() && self.first_rejection == HeapRef::NONE && self.open_calls.is_empty()
    }

    /// Whether a job or a function of a timer can run.
    pub(super) fn has_jobs(&self) -> bool {
        self.first_job != HeapRef::NONE || !self.due_timeouts.is_empty()
    }

    /// The saved form; `None` for the default state.
    pub(super) fn encode(&self, encoder: &mut EntryEncoder<'_>) -> Option<Map<String, Json>> {
        let mut encoded = Map::new();
        match self.program {
            ProgramTask::Running => {}
            ProgramTask::Awaiting(promise) => put(&mut encoded, "awaiting", encoder.reference(promise)),
            ProgramTask::Ended(promise) => put(&mut encoded, "ended", encoder.reference(promise)),
        }
        for (name, first, last) in
            [("jobs", self.first_job, self.last_job), ("rejections", self.first_rejection, self.last_rejection)]
        {
            if first != HeapRef::NONE {
                put(&mut encoded, name, json!([encoder.reference(first), encoder.reference(last)]));
            }
        }
        self.open_calls.encode(&mut encoded, encoder);
        if !self.due_timeouts.is_empty() {
            let due = self.due_timeouts.iter().map(|(number, promise)| json!([number, encoder.reference(*promise)]));
            put(&mut encoded, "due", Json::Array(due.collect()));
        }
        (!encoded.is_empty()).then_some(encoded)
    }

    /// Reads the saved form.
    pub(super) fn decode(machine: &Machine, json: &Json) -> ReadResult<MachineTasks> {
        let mut state = MachineTasks::default();
        let reference = |json: &Json, is_expected: fn(&Entry) -> bool| {
            let at = entry_decoder::reference(json)?;
            if is_expected(machine.heap.get(at)) { Ok(at) } else { Err("the tasks refer to another entry".to_owned()) }
        };
        let is_promise = |entry: &Entry| matches!(entry, Entry::Promise(_));
        if let Some(promise) = json.get("awaiting") {
            state.program = ProgramTask::Awaiting(reference(promise, is_promise)?);
        }
        if let Some(promise) = json.get("ended") {
            state.program = ProgramTask::Ended(reference(promise, is_promise)?);
        }
        if let Some(jobs) = json.get("jobs") {
            (state.first_job, state.last_job) =
                (entry_decoder::reference(&jobs[0])?, entry_decoder::reference(&jobs[1])?);
        }
        if let Some(rejections) = json.get("rejections") {
            (state.first_rejection, state.last_rejection) =
                (entry_decoder::reference(&rejections[0])?, entry_decoder::reference(&rejections[1])?);
        }
        if json.get("acknowledged").is_some() {
            return Err(EARLIER_VERSION.to_owned());
        }
        state.open_calls = OpenCalls::decode(machine, json)?;
        if let Some(due) = json.get("due") {
            let due = entry_decoder::list(due)?.iter();
            let due = due.map(|due| Ok((entry_decoder::number64(&due[0])?, reference(&due[1], is_promise)?)));
            state.due_timeouts = due.collect::<ReadResult<_>>()?;
        }
        Ok(state)
    }
}

impl Machine {
    /// Whether no function runs: the program awaits or has ended, and no job has begun.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.frames.len() == 1 && self.tasks.program != ProgramTask::Running
    }

    pub(super) fn append_job(&mut self, job: Reaction) {
        let job = self.heap.allocate(Entry::Reaction(Box::new(job)));
        self.append_jobs(job, job);
    }

    /// Appends linked jobs.
    pub(super) fn append_jobs(&mut self, first: HeapRef, last: HeapRef) {
        if first == HeapRef::NONE {
            return;
        }
        let previous = std::mem::replace(&mut self.tasks.last_job, last);
        if self.tasks.first_job == HeapRef::NONE {
            self.tasks.first_job = first;
        } else if let Some(Entry::Reaction(previous)) = self.heap.get_mut(previous) {
            previous.next = first;
        }
    }

    /// Removes the next job.
    pub(super) fn take_job(&mut self) -> Option<Reaction> {
        let at = self.tasks.first_job;
        // The links of a damaged state may refer to other entries, which are not removed.
        let is_job = matches!(self.heap.get(at), Entry::Reaction(_));
        match if is_job { self.heap.take(at) } else { Entry::Free } {
            Entry::Reaction(job) => {
                self.tasks.first_job = if at == self.tasks.last_job { HeapRef::NONE } else { job.next };
                if self.tasks.first_job == HeapRef::NONE {
                    self.tasks.last_job = HeapRef::NONE;
                }
                Some(*job)
            }
            _ => {
                (self.tasks.first_job, self.tasks.last_job) = (HeapRef::NONE, HeapRef::NONE);
                None
            }
        }
    }

    /// Puts a job back that was removed.
    pub(super) fn prepend_job(&mut self, job: Reaction) {
        let next = self.tasks.first_job;
        let at = self.heap.allocate(Entry::Reaction(Box::new(Reaction { next, ..job })));
        self.tasks.first_job = at;
        if next == HeapRef::NONE {
            self.tasks.last_job = at;
        }
    }

    /// Appends a promise that was rejected without a reaction. ECMA-262 §27.2.1.9 HostPromiseRejectionTracker.
    pub(super) fn append_rejection(&mut self, promise: HeapRef) {
        let previous = std::mem::replace(&mut self.tasks.last_rejection, promise);
        if self.tasks.first_rejection == HeapRef::NONE {
            self.tasks.first_rejection = promise;
        } else if let Some(Entry::Promise(previous)) = self.heap.get_mut(previous) {
            previous.first = promise;
        }
    }
}
